"""Whether anything is being published: work that can wait goes after it."""

import asyncio
import time
from collections.abc import Callable

from redis.asyncio import Redis

from shared.store import keys

_LOOK_AGAIN_SECONDS = 0.005
# Under a stream of events that never ends, or one that nobody works off, other work still gets on: so long a wait buys
# it so much time.
_LONGEST_WAIT_SECONDS = 0.1
_TIME_BOUGHT_SECONDS = 0.03


class PublishingLoad:
    """Looks at how many events wait for render."""

    def __init__(self, redis: Redis, seconds: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._seconds = seconds
        self._bought_until = 0.0

    async def passed(self) -> None:
        """Return when no event waits or is in hand, or when it has waited long enough."""
        if self._seconds() < self._bought_until:
            return
        deadline = self._seconds() + _LONGEST_WAIT_SECONDS
        while await self._waiting():
            if self._seconds() >= deadline:
                self._bought_until = self._seconds() + _TIME_BOUGHT_SECONDS
                return
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def _waiting(self) -> bool:
        for group in await self._redis.xinfo_groups(keys.ITEMS_STREAM):
            if group["name"] == keys.RENDER_GROUP:
                return bool(group["pending"] or group["lag"])
        return False
