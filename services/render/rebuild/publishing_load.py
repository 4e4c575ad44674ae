"""Back-pressure for a rebuild: publishing goes first."""

import asyncio
import time
from collections.abc import Callable

from redis.asyncio import Redis

from shared.store import keys

_POLL_SECONDS = 0.005
# Under constant load background work still proceeds: after waiting 100 ms it may run for 30 ms.
_LONGEST_WAIT_SECONDS = 0.1
_RUN_SECONDS = 0.03


class PublishingLoad:
    """Reads how many events wait for render."""

    def __init__(self, redis: Redis, seconds: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._seconds = seconds
        self._may_run_until = 0.0

    async def until_idle(self) -> None:
        """Return when no event waits or is being rendered, or after 100 ms."""
        if self._seconds() < self._may_run_until:
            return
        deadline = self._seconds() + _LONGEST_WAIT_SECONDS
        while await self._is_publishing():
            if self._seconds() >= deadline:
                self._may_run_until = self._seconds() + _RUN_SECONDS
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def _is_publishing(self) -> bool:
        for group in await self._redis.xinfo_groups(keys.ITEMS_STREAM):
            if group["name"] == keys.RENDER_GROUP:
                return bool(group["pending"] or group["lag"])
        return False
