"""Signing in and out, and the throttle for wrong keys."""

import secrets
from typing import Annotated

import structlog
from fastapi import Depends
from redis.asyncio import Redis
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.notify.console.routes import HOME, SIGN_IN, ConsoleRoutes, own_path
from services.notify.console.sessions import SESSION_COOKIE, SIGN_IN_COOKIE, Form, Operator, csrf_token
from shared.model.errors import Refused, TooManyRequests
from shared.store import keys

log = structlog.get_logger()

# Wrong keys within 300 s: of one client, and of all clients behind one proxy, which could claim any address.
_WINDOW_SECONDS = 300
_MOST_OF_A_CLIENT = 5
_MOST_OF_A_PEER = 50


def add_sign_in(console: ConsoleRoutes, throttle: "SignInThrottle") -> None:
    """Declare the routes by which operators begin and end their sessions."""
    sessions = console.sessions

    def ask(request: Request, then: str, problem: str | None = None, *, status: int = 200) -> Response:
        # All tabs share one cookie: a cookie per form would outdate the forms in other tabs.
        cookie = request.cookies.get(SIGN_IN_COOKIE) or secrets.token_urlsafe(32)
        answer = console.pages.sign_in(csrf_token(cookie), own_path(then), problem, status=status)
        sessions.give(answer, SIGN_IN_COOKIE, cookie)
        return answer

    @console.router.get("/sign-in")
    async def sign_in_form(request: Request) -> Response:
        return ask(request, request.query_params.get("then", HOME))

    @console.router.post("/sign-in")
    async def sign_in(
        request: Request, form: Annotated[Form, Depends(sessions.form_given_with(SIGN_IN_COOKIE))]
    ) -> Response:
        then = own_path(form.get("then", ""))
        try:
            await throttle.admit(request)
            cookie = await sessions.begin(form.get("key", ""))
        except Refused as error:
            log.warning("console.sign_in_refused", status=error.status)
            problem = "This is not an admin key." if error.status in (401, 403) else error.detail
            answer = ask(request, then, problem, status=error.status)
            # Not WWW-Authenticate: that header tells how to use the API, and here the form is the way to sign in.
            answer.headers.update({name: value for name, value in error.headers.items() if name == "Retry-After"})
            return answer
        await throttle.forgive(request)
        log.info("console.signed_in")
        answer = RedirectResponse(then, 303)
        sessions.give(answer, SESSION_COOKIE, cookie)
        sessions.take(answer, SIGN_IN_COOKIE)
        return answer

    @console.router.post("/sign-out")
    async def sign_out(
        operator: Annotated[Operator, Depends(sessions.signed_in)],
        _: Annotated[Form, Depends(sessions.form_given_with(SESSION_COOKIE))],
    ) -> Response:
        await sessions.end(operator)
        answer = RedirectResponse(SIGN_IN, 303)
        sessions.take(answer, SESSION_COOKIE)
        return answer


class SignInThrottle:
    """Counts tries to sign in; only wrong keys stay counted."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def admit(self, request: Request) -> None:
        """Count a try. Raises TooManyRequests after too many."""
        for who, most in self._counted(request):
            async with self._redis.pipeline(transaction=True) as together:
                together.incr(who)
                together.expire(who, _WINDOW_SECONDS, nx=True)
                together.ttl(who)
                tries, _, seconds = await together.execute()
            if tries > most:
                raise TooManyRequests(
                    f"too many wrong keys: try again in {seconds} seconds", headers={"Retry-After": str(seconds)}
                )

    async def forgive(self, request: Request) -> None:
        """Take back the last try: its key was right."""
        for who, _ in self._counted(request):
            await self._redis.decr(who)

    def _counted(self, request: Request) -> tuple[tuple[str, int], ...]:
        peer = request.client.host if request.client else ""
        # Behind a proxy every request has the proxy's address. The last address in the header is the one the proxy saw.
        client = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()[:64] or peer
        return (
            (keys.console_sign_ins(f"client:{client}"), _MOST_OF_A_CLIENT),
            (keys.console_sign_ins(f"peer:{peer}"), _MOST_OF_A_PEER),
        )
