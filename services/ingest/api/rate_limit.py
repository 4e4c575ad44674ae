"""The rate limit of each key: a token bucket in the store, which all replicas share."""

import math
from dataclasses import dataclass

from fastapi import Request
from redis.asyncio import Redis
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.http.api_keys import ApiKey, KeyRing
from shared.http.api_keys import Scope as KeyScope
from shared.http.auth import Admit
from shared.model.errors import TooManyRequests
from shared.store import keys
from shared.store.scripts import Script

_WINDOW_MS = 60_000


@dataclass(frozen=True)
class Allowance:
    """What a key has left after a request."""

    limit: int
    left: int
    full_in_seconds: int
    wait_seconds: int = 0
    """How long until the key may send again, where this request was one too many."""

    def headers(self) -> dict[str, str]:
        """Return the allowance as draft-ietf-httpapi-ratelimit-headers-10 spells it."""
        return {
            "RateLimit-Policy": f'"key";q={self.limit};w={_WINDOW_MS // 1000}',
            "RateLimit": f'"key";r={self.left};t={self.full_in_seconds}',
        }


class RateLimiter:
    """Counts the requests of each key."""

    def __init__(self, redis: Redis, requests_a_minute: int) -> None:
        self._limit = requests_a_minute
        self._script = Script(redis, __name__, "take_token.lua")

    async def take(self, key_name: str) -> Allowance | None:
        """Count one request of the key and return what it has left; None where there is no limit."""
        if not self._limit:
            return None
        taken, left, next_ms, full_ms = await self._script(
            [keys.rate_limit(key_name)], {"size": self._limit, "window_ms": _WINDOW_MS}
        )
        wait_seconds = 0 if taken else math.ceil(next_ms / 1000)
        return Allowance(self._limit, left, math.ceil(full_ms / 1000), wait_seconds)


def rate_limited(key_ring: KeyRing, limiter: RateLimiter) -> Admit:
    """Return `key_ring.admit` with every request counted: it raises TooManyRequests too."""

    async def admit(request: Request, scope: KeyScope) -> ApiKey:
        key = await key_ring.admit(request, scope)
        allowance = await limiter.take(key.name)
        request.state.allowance = allowance
        if allowance is not None and allowance.wait_seconds:
            raise TooManyRequests(
                f'the key "{key.name}" may send {allowance.limit} requests a minute: '
                f"come back in {allowance.wait_seconds} s",
                headers={"Retry-After": str(allowance.wait_seconds)},
            )
        return key

    return admit


class RateLimitHeaders:
    """ASGI middleware: adds the allowance of the caller's key to every answer, refusals included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope.setdefault("state", {})

        async def send_with_headers(message: Message) -> None:
            allowance = state.get("allowance")
            if message["type"] == "http.response.start" and isinstance(allowance, Allowance):
                MutableHeaders(scope=message).update(allowance.headers())
            await send(message)

        await self._app(scope, receive, send_with_headers)
