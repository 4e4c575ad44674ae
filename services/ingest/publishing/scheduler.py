"""Release embargoed revisions at their moment, by the store's clock; any number of replicas may run one."""

import asyncio
import random
import time
from datetime import timedelta
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.ingest.publishing.publisher import Publisher
from shared.model.clock import store_now, to_ms
from shared.model.errors import Unavailable
from shared.model.ids import ItemId
from shared.model.items import Item
from shared.store import keys
from shared.store.item_store import ItemStore

log = structlog.get_logger()

# Poll every 100 ms: another replica may set an earlier moment while this one sleeps.
_LOOK_EVERY = timedelta(milliseconds=100)
# Look again 10 ms after work: more may be due. Without the 10 ms an item that cannot be released makes a busy loop.
_LOOK_AGAIN = timedelta(milliseconds=10)
# Look at held items every minute: they go on when a service starts with another site file, or after a change of theirs.
_LOOK_AT_HELD_EVERY_SECONDS = 60
# Release 50 at once: concurrent writes share a sync to disk. One by one, 100 items of one moment take a second.
_AT_ONCE = 50


class Scheduler:
    """Releases revisions whose moment has come, and sleeps until the next moment, at most 100 ms."""

    def __init__(self, redis: Redis, publisher: Publisher) -> None:
        self._redis = redis
        self._store = ItemStore(redis)
        self._publisher = publisher

    async def run(self) -> None:
        """Release revisions until cancelled; ask again where the store is away."""
        look_at_held = 0.0
        while True:
            try:
                if time.monotonic() >= look_at_held:
                    await self._publisher.take_back_held()
                    look_at_held = time.monotonic() + _LOOK_AT_HELD_EVERY_SECONDS
                wait = await self.release_due()
            except (RedisError, OSError, Unavailable) as error:
                log.warning("schedule.waiting", reason=repr(error))
                wait = _LOOK_EVERY
            await asyncio.sleep(wait.total_seconds())

    async def release_due(self) -> timedelta:
        """Release revisions whose moment has come, and return how long to wait before the next look."""
        now = to_ms(await store_now(self._redis))
        # Any: redis-py's type is the union of every reply that ZRANGE may give.
        first: Any = await self._redis.zrange(keys.SCHEDULED, 0, _AT_ONCE, withscores=True)
        moments = [int(moment) for _, moment in first]
        due = [ItemId(str(member)) for (member, _), moment in zip(first, moments, strict=True) if moment <= now]
        # Shuffled, so that replicas seldom race for the same item.
        random.shuffle(due)
        await asyncio.gather(*(self._release(item) for item in await self._store.get_many(due)))
        if due:
            return _LOOK_AGAIN
        later = next((moment - now for moment in moments if moment > now), None)
        return _LOOK_EVERY if later is None else min(_LOOK_EVERY, timedelta(milliseconds=later))

    async def _release(self, item: Item | None) -> None:
        if item is not None:
            await self._publisher.release(item.source, item.external_id)
