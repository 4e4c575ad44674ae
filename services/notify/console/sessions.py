"""Who is at the console: sessions kept in the store, begun with an admin key and held by a cookie."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from redis.asyncio import Redis
from starlette.requests import Request
from starlette.responses import Response

from services.notify.subscriptions.secret_box import SecretBox, UnreadableSecret
from shared.http.auth import ApiKey, KeyRing
from shared.model.clock import store_now, to_ms
from shared.model.errors import Forbidden, Refused, TooManyRequests, Unauthorized
from shared.runtime.settings import Settings
from shared.store import keys

SESSION_COOKIE = "clarion_console"
# Signing in has a cookie of its own: a link from elsewhere comes without the session's (SameSite=Strict), and the form
# that it then meets must not overwrite a session that is still good.
SIGN_IN_COOKIE = "clarion_console_sign_in"
_PATH = "/console"

# Wrong keys in so many seconds: of one client, and through one proxy, whose clients could claim any address.
_WINDOW_SECONDS = 300
_MOST_OF_A_CLIENT = 5
_MOST_OF_A_PEER = 50


class NotSignedIn(Refused):
    """There is no session, or it is over."""

    status = 401
    title = "Not signed in"


@dataclass(frozen=True)
class Operator:
    """Who is at the console, with the key that the session was begun with."""

    key: ApiKey
    secret: str
    """The key itself: what the console asks ingest with."""
    csrf: str
    session: str
    """Under which the store keeps the session: the hash of the cookie."""


@dataclass(frozen=True)
class Said:
    """What the last button came to, told on the next page."""

    text: str
    is_refusal: bool = False


class Sessions:
    """
    Begins, finds and ends sessions.

    The store knows a cookie by its hash and the key sealed, so a copy of the store opens no console. The key is asked
    about again at every request: one that is revoked has lost its sessions.
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

    async def operator(self, request: Request) -> Operator:
        """Return who sends the request. Raises NotSignedIn."""
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

    async def say(self, operator: Operator, said: Said) -> None:
        """Keep what the next page of the session shall tell."""
        name = keys.console_session(operator.session)
        async with self._redis.pipeline(transaction=True) as together:
            together.hset(name, "said", f"{int(said.is_refusal)}{said.text}")
            # The session may have ended this very moment: what is left must end too.
            together.pexpire(name, self._lasts, nx=True)
            await together.execute()

    async def said(self, operator: Operator) -> Said | None:
        """Return what there is to tell, once."""
        name = keys.console_session(operator.session)
        async with self._redis.pipeline(transaction=True) as together:
            together.hget(name, "said")
            together.hdel(name, "said")
            text, _ = await together.execute()
        return Said(str(text)[1:], str(text)[0] == "1") if text else None

    def give(self, response: Response, name: str, cookie: str) -> None:
        """Hand the cookie to the browser: for no script, no other site, and over TLS alone where there is TLS."""
        response.set_cookie(name, cookie, path=_PATH, secure=self._secure, httponly=True, samesite="strict")

    def take(self, response: Response, name: str) -> None:
        """Take the cookie away."""
        response.delete_cookie(name, path=_PATH, secure=self._secure, httponly=True, samesite="strict")

    def require_own_form(self, request: Request, cookie_name: str, token: str) -> None:
        """Raise Forbidden unless the request comes from a form that this console gave to this browser."""
        origin = request.headers.get("origin", "")
        # The address of a tunnel is as good as the public one; what a browser says here, no page can forge.
        if origin != self._origin and (not origin or urlsplit(origin).netloc != request.headers.get("host")):
            raise Forbidden("this form was sent from another site")
        cookie = request.cookies.get(cookie_name, "")
        if not cookie or not hmac.compare_digest(csrf_token(cookie).encode(), token.encode()):
            raise Forbidden("this form is out of date: go back, reload the page and try again")


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
        # Behind a proxy everybody has its address; the last name in the header is the one that the proxy itself saw.
        client = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()[:64] or peer
        return (
            (keys.console_sign_ins(f"client:{client}"), _MOST_OF_A_CLIENT),
            (keys.console_sign_ins(f"peer:{peer}"), _MOST_OF_A_PEER),
        )


def csrf_token(cookie: str) -> str:
    """Return what a form must bring along: only who has the cookie could make it."""
    return hmac.new(cookie.encode(), b"console form", hashlib.sha256).hexdigest()


def _hashed(cookie: str) -> str:
    # 256 random bits: a plain hash is enough.
    return hashlib.sha256(cookie.encode()).hexdigest()
