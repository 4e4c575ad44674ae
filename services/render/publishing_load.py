"""Whether anything is being published: work that can wait goes after it."""

import asyncio

from redis.asyncio import Redis

from services.render.announcing import GROUP
from shared import keys

_LOOK_AGAIN_SECONDS = 0.005
# Under a stream of events that never ends, other work still gets on: ten steps a second.
_LONGEST_WAIT_SECONDS = 0.1


class PublishingLoad:
    """Looks at how many events wait for render."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def passed(self) -> None:
        """Return when no event waits or is in hand, or when it has waited long enough."""
        waited = 0.0
        while waited < _LONGEST_WAIT_SECONDS and await self._waiting():
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            waited += _LOOK_AGAIN_SECONDS

    async def _waiting(self) -> bool:
        for group in await self._redis.xinfo_groups(keys.ITEMS_STREAM):
            if group["name"] == GROUP:
                return bool(group["pending"] or group["lag"])
        return False
