"""Keep the streams no longer than they have to be."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.store import keys
from shared.store.scripts import Script

log = structlog.get_logger()

# One call of the trim script removes at most so many entries: 1,000 are about 10 ms of the server's time.
_TRIM_AT_ONCE = 1000
_JANITOR_EVERY_SECONDS = 10
_REAP_AFTER = timedelta(minutes=10)


@dataclass(frozen=True)
class Retention:
    """What of a stream may go: entries that all `groups` have acknowledged and that are older than `keep`."""

    stream: str
    groups: tuple[str, ...]
    keep: timedelta


class Janitor:
    """Trims streams and forgets idle consumers; any number of replicas may run one."""

    def __init__(
        self,
        redis: Redis,
        retention: Retention,
        passed: Callable[[], Awaitable[str | None]] | None = None,
    ) -> None:
        """`passed` tells the id up to which those beside the groups need nothing any more (None: nothing yet)."""
        self._redis = redis
        self._retention = retention
        self._passed = passed
        self._trim = Script(redis, __name__, "trim_stream.lua")
        self._reap = Script(redis, __name__, "reap_consumers.lua")

    async def run(self) -> None:
        """Tidy now and then, until cancelled."""
        while True:
            await asyncio.sleep(_JANITOR_EVERY_SECONDS)
            try:
                await self.tidy()
            except (RedisError, OSError) as error:
                log.warning("stream.untidied", stream=self._retention.stream, reason=repr(error))

    async def tidy(self) -> int:
        """Trim what may go and return how many entries went."""
        keep_ms = int(self._retention.keep.total_seconds() * 1000)
        floor = await self._passed() if self._passed else "+"
        removed = 0
        while floor is not None:
            count = await self._trim(
                [self._retention.stream, keys.TRIMMED],
                {"most": _TRIM_AT_ONCE, "keep_ms": keep_ms, "floor": floor, "groups": self._retention.groups},
            )
            removed += count
            if count < _TRIM_AT_ONCE:
                break
        for group in self._retention.groups:
            reap_ms = int(_REAP_AFTER.total_seconds() * 1000)
            await self._reap([self._retention.stream], {"group": group, "idle_ms": reap_ms})
        return removed
