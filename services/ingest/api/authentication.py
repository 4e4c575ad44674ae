"""The gate of every call that wants a key: who is it, what may they do, and have they asked too often?"""

from fastapi import Request

from services.ingest.api.rate_limit import RateLimiter
from services.ingest.api.request_body import if_match, trace_id
from services.ingest.publishing.rules import Sender
from shared.http.auth import ApiKey, KeyRing, Scope
from shared.model.errors import TooManyRequests


class Gate:
    """Lets requests in."""

    def __init__(self, key_ring: KeyRing, limiter: RateLimiter) -> None:
        self._keys = key_ring
        self._limiter = limiter

    async def admit(self, request: Request, scope: Scope, source: str | None = None) -> ApiKey:
        """
        Return the key of the request. It opens `source`, where one is given.

        Raises Unauthorized, Forbidden or TooManyRequests.
        """
        key = await self._keys.authenticate(request.headers.get("authorization"), scope)
        allowance = await self._limiter.take(key.name)
        request.state.allowance = allowance
        if allowance is not None and allowance.wait_seconds:
            raise TooManyRequests(
                f'the key "{key.name}" may send {allowance.limit} requests a minute: '
                f"come back in {allowance.wait_seconds} s",
                headers={"Retry-After": str(allowance.wait_seconds)},
            )
        if source is not None:
            key.require_source(source)
        return key


def sender(key: ApiKey, request: Request) -> Sender:
    """Return who sends, and what they know. Raises Invalid for an If-Match that names no revision."""
    return Sender(key.name, trace_id(request), if_match(request))
