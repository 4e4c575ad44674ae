"""Trim the streams and forget idle consumers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from redis.asyncio import Redis

from shared.model.clock import span_ms
from shared.runtime.background import repeated
from shared.store import keys
from shared.store.scripts import Script

# Entries that one call of the trim script removes at most: 1,000 take about 10 ms of the server's time.
_TRIM_AT_ONCE = 1000
_TIDY_EVERY_SECONDS = 10
_REAP_AFTER = timedelta(minutes=10)


@dataclass(frozen=True)
class Retention:
    """What may be trimmed: entries of `stream` that all `groups` have acknowledged and that are older than `keep`."""

    stream: str
    groups: tuple[str, ...]
    keep: timedelta


class Janitor:
    """Trims one stream and forgets its idle consumers. Several replicas may run one: the scripts are idempotent."""

    def __init__(
        self,
        redis: Redis,
        retention: Retention,
        passed: Callable[[], Awaitable[str | None]] | None = None,
    ) -> None:
        """`passed` returns the last id that readers beside the groups no longer need (None: they need every entry)."""
        self._redis = redis
        self._retention = retention
        self._passed = passed
        self._trim = Script(redis, __name__, "trim_stream.lua")
        self._reap = Script(redis, __name__, "reap_consumers.lua")

    async def run(self) -> None:
        """Tidy every 10 seconds, until cancelled."""
        await repeated(self.tidy, _TIDY_EVERY_SECONDS, "stream.untidied", stream=self._retention.stream)

    async def tidy(self) -> int:
        """Trim the stream and return how many entries were removed."""
        keep_ms = span_ms(self._retention.keep)
        floor = await self._passed() if self._passed else "+"
        removed = 0
        while floor is not None:
            count = await self._trim(
                [self._retention.stream, keys.TRIMMED, keys.ACKNOWLEDGED],
                {"most": _TRIM_AT_ONCE, "keep_ms": keep_ms, "floor": floor, "groups": self._retention.groups},
            )
            removed += count
            if count < _TRIM_AT_ONCE:
                break
        for group in self._retention.groups:
            reap_ms = span_ms(_REAP_AFTER)
            await self._reap([self._retention.stream], {"group": group, "idle_ms": reap_ms})
        return removed
