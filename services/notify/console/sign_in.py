"""The console's door: signing in and out, and what every request must pass."""

import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl, quote, urlsplit

import structlog
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.notify.console.actions import Form
from services.notify.console.live import is_stream_wanted, over
from services.notify.console.rendering import ConsolePages
from services.notify.console.sessions import (
    SESSION_COOKIE,
    SIGN_IN_COOKIE,
    NotSignedIn,
    Operator,
    Sessions,
    SignInThrottle,
    csrf_token,
)
from shared.model.errors import Refused, TooLarge, Unavailable

log = structlog.get_logger()

HOME = "/console"
_SIGN_IN = "/console/sign-in"
_MOST_FORM_BYTES = 64 * 1024

Handle = Callable[[Request], Awaitable[Response]]


class Door:
    """Lets operators in and out."""

    def __init__(self, sessions: Sessions, throttle: SignInThrottle, pages: ConsolePages) -> None:
        self._sessions = sessions
        self._throttle = throttle
        self._pages = pages

    def guarded(self, handle: Handle) -> Handle:
        """Return the handler with every refusal told as a page; who is not signed in is led to the form."""

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except NotSignedIn:
                return self._to_sign_in(request)
            except Refused as error:
                answer = self._pages.problem(error.status, error.title, error.detail)
                answer.headers.update(error.headers)
                return answer
            except (Unavailable, RedisError, OSError) as error:
                log.warning("console.unavailable", path=request.url.path, reason=repr(error))
                detail = str(error) if isinstance(error, Unavailable) else "The store does not answer."
                return self._pages.problem(503, "Unavailable", f"{detail} Try again in a moment.")

        return answer

    async def operator(self, request: Request) -> Operator:
        """Return who sends the request. Raises NotSignedIn."""
        return await self._sessions.operator(request)

    async def operator_with_form(self, request: Request) -> tuple[Operator, Form]:
        """Return who pressed a button, with its form. Raises Forbidden for a form that is not the console's own."""
        operator = await self._sessions.operator(request)
        form = await form_of(request)
        self._sessions.require_own_form(request, SESSION_COOKIE, form.get("csrf", ""))
        return operator, form

    async def form(self, request: Request) -> Response:
        """Return the form that asks for a key."""
        return self._ask(request, request.query_params.get("then", HOME))

    async def sign_in(self, request: Request) -> Response:
        """Begin a session for the holder of an admin key."""
        form = await form_of(request)
        self._sessions.require_own_form(request, SIGN_IN_COOKIE, form.get("csrf", ""))
        then = own_path(form.get("then", ""))
        try:
            await self._throttle.admit(request)
            cookie = await self._sessions.begin(form.get("key", ""))
        except Refused as error:
            log.warning("console.sign_in_refused", status=error.status)
            told = "This is not an admin key." if error.status in (401, 403) else error.detail
            answer = self._ask(request, then, told, status=error.status)
            # Without WWW-Authenticate, which belongs to the API: the console's own form is how to sign in here.
            answer.headers.update({name: value for name, value in error.headers.items() if name == "Retry-After"})
            return answer
        await self._throttle.forgive(request)
        log.info("console.signed_in")
        answer = RedirectResponse(then, 303)
        self._sessions.give(answer, SESSION_COOKIE, cookie)
        self._sessions.take(answer, SIGN_IN_COOKIE)
        return answer

    async def sign_out(self, request: Request) -> Response:
        """End the session."""
        operator, _ = await self.operator_with_form(request)
        await self._sessions.end(operator)
        answer = RedirectResponse(_SIGN_IN, 303)
        self._sessions.take(answer, SESSION_COOKIE)
        return answer

    def _ask(self, request: Request, then: str, problem: str | None = None, *, status: int = 200) -> Response:
        # One cookie for all tabs, or a form in one of them would outdate those in the others.
        cookie = request.cookies.get(SIGN_IN_COOKIE) or secrets.token_urlsafe(32)
        answer = self._pages.sign_in(csrf_token(cookie), own_path(then), problem, status=status)
        self._sessions.give(answer, SIGN_IN_COOKIE, cookie)
        return answer

    def _to_sign_in(self, request: Request) -> Response:
        if is_stream_wanted(request):
            return over()
        if request.headers.get("sec-fetch-site") == "cross-site" and request.method == "GET":
            # Who follows a link from elsewhere comes without the cookie (SameSite=Strict), signed in or not. Asked for
            # again by a page of ours, it comes along.
            answer = self._pages.problem(200, "One moment", "The console is opening.")
            answer.headers["Refresh"] = "0"
            return answer
        asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        then = asked if request.method == "GET" else HOME
        return RedirectResponse(f"{_SIGN_IN}?then={quote(then, safe='')}", 303)


async def form_of(request: Request) -> Form:
    """Return the fields of an HTML form. Raises TooLarge."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > _MOST_FORM_BYTES:
            raise TooLarge("this form has more than 64 KiB")
    return dict(parse_qsl(raw.decode(errors="replace"), keep_blank_values=True))


def own_path(path: str) -> str:
    """Return the path if it leads into the console, and the console's first page for any other."""
    parts = urlsplit(path)
    is_own = not parts.scheme and not parts.netloc and (parts.path == HOME or parts.path.startswith(f"{HOME}/"))
    return path if is_own and path.isprintable() and "\\" not in path else HOME
