"""The one way in which a route asks for an API key."""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from shared.http.api_keys import ApiKey, Scope

Admit = Callable[[Request, Scope], Awaitable[ApiKey]]


def install(app: FastAPI, admit: Admit) -> None:
    """Make `key_with` ask `admit` for the key of each request to `app`."""
    app.state.admit = admit


class KeyDependency(SecurityBase):
    """
    What a route depends on to get the caller's key: `key: Annotated[ApiKey, Depends(key_with("items:read"))]`.

    A request without a known key, or whose key lacks the scope, is refused before the route runs. OpenAPI shows which
    routes want a key.
    """

    def __init__(self, scope: Scope) -> None:
        self.model = HTTPBearer(description="An API key.")
        self.scheme_name = "key"
        self._scope = scope

    async def __call__(self, request: Request) -> ApiKey:
        """Return the key of the request. Raises as the application's `admit` does."""
        admit: Admit = request.app.state.admit
        return await admit(request, self._scope)


key_with = KeyDependency
