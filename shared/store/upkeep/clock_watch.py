"""
What is due goes by the store's clock. Where somebody sets that clock back, moments come back with it.

Without this a lease of a dead worker, a retry or an abandoned entry would wait for as long as the clock was set back.
Embargoes are dates of the calendar and stay as they are.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.model.clock import store_now, to_ms
from shared.store.scripts import Script

log = structlog.get_logger()

# A look takes some milliseconds, and time services move a clock by less at a time.
_SET_BACK_MS = 1000
_ENTRIES_AT_ONCE = 1000


@dataclass(frozen=True)
class KeptMoments:
    """Keys of one hash tag that hold moments: sorted sets by moment, and fields of hashes."""

    guard: str
    sorted_sets: Sequence[str]
    hashes: Sequence[str] = ()
    fields: Sequence[str] = ()


class ClockWatch:
    """Compares the store's clock with this process's own, which nobody can set."""

    def __init__(
        self,
        redis: Redis,
        moments: Callable[[], Awaitable[Sequence[KeptMoments]]],
        group: tuple[str, str],
        own_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`moments` are asked for when the clock was set back; `group` is a stream and the group that reads it."""
        self._redis = redis
        self._moments = moments
        self._stream, self._group = group
        self._own_seconds = own_seconds
        self._script = Script(redis, __name__, "set_back.lua")
        self._ahead_ms: float | None = None
        """How far the store's clock is ahead of this process's."""

    async def look(self) -> None:
        """Bring moments back if the clock was set back since the last look. Raises RedisError."""
        ahead_ms = to_ms(await store_now(self._redis)) - self._own_seconds() * 1000
        set_back_ms = round(self._ahead_ms - ahead_ms) if self._ahead_ms is not None else 0
        if set_back_ms > _SET_BACK_MS:
            log.error("clock.set_back", by_ms=set_back_ms)
            for kept in await self._moments():
                await self._script(
                    [kept.guard, *kept.sorted_sets, *kept.hashes],
                    {"by_ms": set_back_ms, "sets": len(kept.sorted_sets), "fields": kept.fields},
                )
            await self._count_idleness_anew()
        self._ahead_ms = ahead_ms

    async def _count_idleness_anew(self) -> None:
        """Let pending entries be idle from now on: the server counts from the moment when they were taken."""
        try:
            pending = await self._redis.xpending_range(self._stream, self._group, "-", "+", _ENTRIES_AT_ONCE)
        except ResponseError:  # there is no such group yet
            return
        for one in pending:
            await self._redis.xclaim(
                self._stream, self._group, str(one["consumer"]), 0, [str(one["message_id"])], idle=0, justid=True
            )
