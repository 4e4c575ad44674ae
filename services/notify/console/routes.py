"""How the console declares its pages and buttons: alike for all of them, each by a decorator."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

import structlog
from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.notify.console.live import is_stream_wanted, live_stream, over
from services.notify.console.rendering import ConsolePages, View
from services.notify.console.sessions import SESSION_COOKIE, FlashMessage, Form, NotSignedIn, Operator, Sessions
from services.notify.log.event_log import LogNoLongerReaches
from shared.model.errors import NotFound, Refused, Unavailable

log = structlog.get_logger()

HOME = "/console"
SIGN_IN = f"{HOME}/sign-in"
# The id of an entry of a stream.
PLACE = re.compile(r"\d{1,15}-\d{1,10}")

ReadView = Callable[[Request, Operator], Awaitable[View]]
Press = Callable[[Request, Operator, Form], Awaitable[str]]


class ConsoleRoutes:
    """
    The routes below `/console`. A decorator declares a page, another a button.

    Every refusal is answered as a page; a visitor without a session is led to the sign-in form.
    """

    def __init__(self, sessions: Sessions, pages: ConsolePages, stopping: asyncio.Event) -> None:
        self.sessions = sessions
        self.pages = pages
        self._stopping = stopping
        self.router = APIRouter(prefix=HOME, include_in_schema=False, route_class=_route_class(pages))

        @self.router.get("/static/{name}")
        async def static_file(request: Request) -> Response:
            found = pages.static_file(request.path_params["name"])
            if found is None:
                raise NotFound("there is no such file")
            return found

    def page(self, path: str) -> Callable[[ReadView], ReadView]:
        """
        Declare a page. Its function reads what the page shows.

        The script of the page asks for the same address as an event stream, and gets the page's changes.
        """

        def declare(read: ReadView) -> ReadView:
            @self.router.get(path)
            async def get(
                request: Request, operator: Annotated[Operator, Depends(self.sessions.signed_in)]
            ) -> Response:
                if is_stream_wanted(request):
                    return live_stream(partial(self._live_part, request, read), self._stopping)
                view = await read(request, operator)
                return self.pages.page(view, operator, await self.sessions.take_message(operator))

            return read

        return declare

    async def _live_part(self, request: Request, read: ReadView) -> str:
        # The session is checked at every look: a session that has ended must show nothing more.
        operator = await self.sessions.signed_in(request)
        return self.pages.live(await read(request, operator), operator)

    def button(self, path: str, done: str) -> Callable[[Press], Press]:
        """
        Declare a button. Its function acts and returns a sentence for the operator.

        The next page shows the sentence, or the reason of a refusal. `done` names the act in the log.
        """

        def declare(press: Press) -> Press:
            @self.router.post(path)
            async def post(
                request: Request,
                operator: Annotated[Operator, Depends(self.sessions.signed_in)],
                form: Annotated[Form, Depends(self.sessions.form_given_with(SESSION_COOKIE))],
            ) -> Response:
                back = own_path(form.get("back") or request.url.path.rpartition("/")[0])
                try:
                    message = FlashMessage(await press(request, operator, form))
                    log.info("console.acted", act=done, key_name=operator.key.name, **request.path_params)
                except LogNoLongerReaches as error:
                    message = FlashMessage(f"{error.detail}.", is_refusal=True)
                    back = f"{back}?oldest={error.oldest}"
                except (Refused, Unavailable) as error:
                    message = FlashMessage(str(error), is_refusal=True)
                await self.sessions.keep_message(operator, message)
                return RedirectResponse(back, 303)

            return press

        return declare


def _route_class(pages: ConsolePages) -> type[APIRoute]:
    """Return FastAPI's class of routes, with every refusal answered as a page."""

    class ConsoleRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:  # Any: as FastAPI has it
            handle = super().get_route_handler()

            async def answer(request: Request) -> Response:
                try:
                    return await handle(request)
                except NotSignedIn:
                    return _to_sign_in(request, pages)
                except Refused as error:
                    refusal = pages.problem(error.status, error.title, error.detail)
                    refusal.headers.update(error.headers)
                    return refusal
                except (Unavailable, RedisError, OSError) as error:
                    log.warning("console.unavailable", path=request.url.path, reason=repr(error))
                    detail = str(error) if isinstance(error, Unavailable) else "The store does not answer."
                    return pages.problem(503, "Unavailable", f"{detail} Try again in a moment.")

            return answer

    return ConsoleRoute


def _to_sign_in(request: Request, pages: ConsolePages) -> Response:
    if is_stream_wanted(request):
        return over()
    if request.headers.get("sec-fetch-site") == "cross-site" and request.method == "GET":
        # A link from another site comes without the cookie (SameSite=Strict), even when the visitor is signed in. This
        # page asks for the same address again, and then the cookie comes along.
        opening = pages.problem(200, "One moment", "The console is opening.")
        opening.headers["Refresh"] = "0"
        return opening
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    then = asked if request.method == "GET" else HOME
    return RedirectResponse(f"{SIGN_IN}?then={quote(then, safe='')}", 303)


def own_path(path: str) -> str:
    """Return the path if it leads into the console, and the console's first page for any other."""
    parts = urlsplit(path)
    is_own = not parts.scheme and not parts.netloc and (parts.path == HOME or parts.path.startswith(f"{HOME}/"))
    return path if is_own and path.isprintable() and "\\" not in path else HOME


def place_in(request: Request, name: str, pattern: re.Pattern[str] = PLACE) -> str | None:
    """Return the place that the query names, or None where it names no place."""
    asked = request.query_params.get(name, "")
    return asked if pattern.fullmatch(asked) else None
