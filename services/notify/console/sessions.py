"""Sessions of operators: an admin key begins a session, the store keeps it, a cookie holds it."""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from redis.asyncio import Redis
from starlette.requests import Request
from starlette.responses import Response

from services.notify.subscriptions.secret_box import SecretBox, UnreadableSecret
from shared.http.api_keys import ApiKey, KeyRing
from shared.model.clock import store_now, to_ms
from shared.model.errors import Forbidden, Refused, TooLarge, Unauthorized
from shared.runtime.settings import Settings
from shared.store import keys

SESSION_COOKIE = "clarion_console"
# Signing in has a cookie of its own. A link from another site comes without the session's cookie (SameSite=Strict), and
# the sign-in form that it meets must not overwrite a session that is still good.
SIGN_IN_COOKIE = "clarion_console_sign_in"
_PATH = "/console"
_MOST_FORM_BYTES = 64 * 1024

Form = Mapping[str, str]


class NotSignedIn(Refused):
    """There is no session, or the session is over."""

    status = 401
    title = "Not signed in"


@dataclass(frozen=True)
class Operator:
    """A person at the console, with the key that began the session."""

    key: ApiKey
    secret: str
    """The secret of the key: the console calls ingest with it."""
    csrf: str
    session: str
    """The hash of the cookie: the store keeps the session under this name."""


@dataclass(frozen=True)
class FlashMessage:
    """The outcome of the last button. The next page shows it once."""

    text: str
    is_refusal: bool = False


class Sessions:
    """
    Begins, finds and ends sessions.

    A session is begun by an admin key. It ends by signing out, by itself after CLARION_CONSOLE_SESSION, or when its key
    is revoked: the key is checked again at every request. The store has the hash of the cookie and the sealed key, so a
    copy of the store opens no console.
    """

    def __init__(self, redis: Redis, key_ring: KeyRing, secret_box: SecretBox, settings: Settings) -> None:
        self._redis = redis
        self._key_ring = key_ring
        self._secret_box = secret_box
        self._lasts = settings.console_session
        self._origin = settings.base_url
        self._secure = settings.base_url.startswith("https://")

    async def begin(self, secret: str) -> str:
        """Return the cookie of a new session. Raises Unauthorized or Forbidden for anything but an admin key."""
        await self._key_ring.authenticate(f"Bearer {secret}", "admin")
        cookie = secrets.token_urlsafe(32)
        session = _hashed(cookie)
        name = keys.console_session(session)
        sealed = self._secret_box.seal(secret.strip(), session)
        async with self._redis.pipeline(transaction=True) as together:
            together.hset(name, mapping={"key": sealed, "begun_at": to_ms(await store_now(self._redis))})
            together.pexpire(name, self._lasts)
            await together.execute()
        return cookie

    async def signed_in(self, request: Request) -> Operator:
        """Return who sends the request; routes depend on it. Raises NotSignedIn."""
        cookie = request.cookies.get(SESSION_COOKIE, "")
        session = _hashed(cookie)
        sealed = await self._redis.hget(keys.console_session(session), "key") if cookie else None
        if sealed is None:
            raise NotSignedIn("sign in first, or again: the session is over")
        try:
            secret = self._secret_box.open(str(sealed), session)
            key = await self._key_ring.authenticate(f"Bearer {secret}", "admin")
        except (UnreadableSecret, Unauthorized, Forbidden) as error:
            raise NotSignedIn("the key of this session opens the console no longer") from error
        return Operator(key, secret, csrf_token(cookie), session)

    async def end(self, operator: Operator) -> None:
        """Forget the session."""
        await self._redis.delete(keys.console_session(operator.session))

    async def keep_message(self, operator: Operator, message: FlashMessage) -> None:
        """Keep the message for the next page of the session."""
        name = keys.console_session(operator.session)
        async with self._redis.pipeline(transaction=True) as together:
            together.hset(name, "said", f"{int(message.is_refusal)}{message.text}")
            # The session may have ended a moment ago. Then this write made a new key, which must expire too.
            together.pexpire(name, self._lasts, nx=True)
            await together.execute()

    async def take_message(self, operator: Operator) -> FlashMessage | None:
        """Return the message that was kept, and forget it."""
        name = keys.console_session(operator.session)
        async with self._redis.pipeline(transaction=True) as together:
            together.hget(name, "said")
            together.hdel(name, "said")
            text, _ = await together.execute()
        return FlashMessage(str(text)[1:], str(text)[0] == "1") if text else None

    def give(self, response: Response, name: str, cookie: str) -> None:
        """Set the cookie. No script reads the cookie, no other site sends it; with TLS, only TLS carries it."""
        response.set_cookie(name, cookie, path=_PATH, secure=self._secure, httponly=True, samesite="strict")

    def take(self, response: Response, name: str) -> None:
        """Take the cookie away."""
        response.delete_cookie(name, path=_PATH, secure=self._secure, httponly=True, samesite="strict")

    def form_given_with(self, cookie_name: str) -> Callable[[Request], Awaitable[Form]]:
        """
        Return what a route depends on to get the fields of its form.

        Raises Forbidden for a form that this console did not give to the browser that has the cookie, and TooLarge.
        """

        async def own_form(request: Request) -> Form:
            form = await _form_of(request)
            origin = request.headers.get("origin", "")
            # The address of a tunnel is as good as the public address. No page of another site can forge the header.
            if origin != self._origin and (not origin or urlsplit(origin).netloc != request.headers.get("host")):
                raise Forbidden("this form was sent from another site")
            cookie = request.cookies.get(cookie_name, "")
            if not cookie or not hmac.compare_digest(csrf_token(cookie).encode(), form.get("csrf", "").encode()):
                raise Forbidden("this form is out of date: go back, reload the page and try again")
            return form

        return own_form


async def _form_of(request: Request) -> Form:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > _MOST_FORM_BYTES:
            raise TooLarge("this form has more than 64 KiB")
    return dict(parse_qsl(raw.decode(errors="replace"), keep_blank_values=True))


def csrf_token(cookie: str) -> str:
    """Return the token that every form carries: nobody without the cookie can compute it."""
    return hmac.new(cookie.encode(), b"console form", hashlib.sha256).hexdigest()


def _hashed(cookie: str) -> str:
    # 256 random bits: a plain hash is enough.
    return hashlib.sha256(cookie.encode()).hexdigest()
