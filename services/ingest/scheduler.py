"""Release embargoed revisions at their moment, by the store's clock; any number of replicas may run one."""

import asyncio

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.ingest.publishing import Publisher
from shared import keys
from shared.clock import store_now, to_ms
from shared.errors import Unavailable
from shared.ids import ItemId
from shared.item_store import ItemStore

log = structlog.get_logger()

# How late a moment may be noticed that was set by another replica after this one went to sleep.
_LOOK_EVERY_SECONDS = 0.1
_AT_ONCE = 100


class Scheduler:
    """Looks for revisions whose moment has come."""

    def __init__(self, redis: Redis, publisher: Publisher) -> None:
        self._redis = redis
        self._store = ItemStore(redis)
        self._publisher = publisher

    async def run(self) -> None:
        """Release what is due, until cancelled; a store that is away is asked again."""
        while True:
            try:
                released = await self.release_due()
            except (RedisError, OSError, Unavailable) as error:
                log.warning("schedule.waiting", reason=repr(error))
                released = 0
            if released < _AT_ONCE:
                await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def release_due(self) -> int:
        """Release every revision whose moment has come and return how many were due."""
        now = to_ms(await store_now(self._redis))
        due = await self._redis.zrange(keys.SCHEDULED, 0, now, byscore=True, offset=0, num=_AT_ONCE)
        for item in await self._store.get_many([ItemId(str(member)) for member in due]):
            if item is not None:
                await self._publisher.release(item.source, item.external_id)
        return len(due)
