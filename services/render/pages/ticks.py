"""Ticks: moments written to the store, so that pages depend on the store alone and not on the clock."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog
from redis.asyncio import Redis

from shared.model.clock import span_ms, store_now, to_ms
from shared.runtime.background import repeated
from shared.store import keys
from shared.store.scripts import Script

log = structlog.get_logger()

# Search engines take the last two days for news (Google's and Bing's rule).
NEWS_AGE = timedelta(days=2)
TICK = timedelta(minutes=10)
_LOOK_EVERY_SECONDS = 5


async def last_tick(redis: Redis) -> int:
    """Return the last moment (milliseconds) that the site knows of; 0 before the first."""
    return int(await redis.get(keys.TICK) or 0)


class Ticker:
    """Writes a tick every ten minutes, and rewrites the pages that depend on it."""

    def __init__(self, redis: Redis, on_tick: Callable[[], Awaitable[object]]) -> None:
        self._redis = redis
        self._on_tick = on_tick
        self._advance = Script(redis, __name__, "advance_tick.lua")
        self._shown = -1

    async def run(self) -> None:
        """Tick until cancelled. Each replica rewrites the pages after each tick that it sees."""
        await repeated(self.tick, _LOOK_EVERY_SECONDS, "tick.waiting")

    async def tick(self) -> None:
        """Write a tick if the last one is old enough, and rewrite the pages if the tick is new."""
        step = span_ms(TICK)
        due = to_ms(await store_now(self._redis)) // step * step
        tick = int(await self._advance([keys.TICK], {"due_ms": due}))
        if tick != self._shown:
            await self._on_tick()
            self._shown = tick
