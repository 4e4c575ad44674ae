"""Dead letters at the console: deliveries and events that were given up."""

from redis.asyncio import Redis

from services.notify.console.rendering import View
from services.notify.delivery.dead_letters import DeadDeliveries
from services.notify.subscriptions.store import SubscriptionStore
from shared.store import keys
from shared.store.dead_letters import DeadLetters

_SHOWN = 100


class LetterPages:
    """Reads what the page about dead letters shows."""

    def __init__(self, redis: Redis, store: SubscriptionStore) -> None:
        self._redis = redis
        self._store = store
        self._deliveries = DeadDeliveries(redis, store)
        self._events = DeadLetters(redis)

    async def all(self, cursor: str | None) -> View:
        """Return the page; `cursor` is where its deliveries begin."""
        page = await self._deliveries.newest(None, cursor, _SHOWN)
        shards = [mirror.shard for mirror in self._store.mirrors]
        values = {
            "deliveries": page.letters,
            "next": page.next,
            "cursor": cursor,
            "events": await self._events.newest(_SHOWN),
            "deliveries_kept": sum([await self._redis.xlen(shard.dead_letters) for shard in shards]),
            "events_kept": await self._redis.xlen(keys.DEAD_LETTERS),
        }
        return View("dead_letters", "dead-letters", "Dead letters", values)
