"""
Erase the deliveries of erased items: waiting deliveries, kept attempts, dead letters.

Attempts go, too, because an endpoint's answer may repeat the content that it was sent. The event that announces the
erasure has no content, so its deliveries stay.
"""

from collections.abc import Sequence
from datetime import timedelta
from itertools import islice

import structlog
from redis.asyncio import Redis

from services.notify.delivery.dead_letters import DeadDeliveries
from services.notify.subscriptions.store import ShardMirror, SubscriptionStore
from shared.model.clock import span_ms, store_now, to_ms
from shared.model.epochs import EventEpochs
from shared.model.ids import EventId, ItemId, SubscriptionId, event_id
from shared.store import keys
from shared.store.scripts import Script, ScriptCall, run_scripts

log = structlog.get_logger()

_AT_ONCE = 100


class DeliveryEraser:
    """
    Erases in the delivery shards what ingest erased in the store. Any number of processes may do so at a time.

    An attempt that was running may still write its answer. So an item stays on the list until no such attempt is left.
    """

    def __init__(self, redis: Redis, store: SubscriptionStore, longest_attempt: timedelta) -> None:
        self._redis = redis
        self._store = store
        self._dead = DeadDeliveries(redis, store)
        self._longest_attempt_ms = span_ms(longest_attempt)
        self._script = Script(redis, __name__, "forget_deliveries.lua")
        self._erased_once: set[str] = set()

    async def step(self) -> None:
        """Erase every item on the list once at first, and once more when no attempt can be running any more."""
        found = await self._redis.hgetall(keys.ERASED)
        if not found:
            return
        now_ms = to_ms(await store_now(self._redis))
        for field, value in ((str(field), str(value)) for field, value in found.items()):
            item_id, _, newest = field.partition(":")
            erased_ms, _, spelled = value.partition(" ")
            is_last = now_ms - int(erased_ms) > self._longest_attempt_ms
            if is_last or field not in self._erased_once:
                # The newest revision announced the erasure.
                item, epochs = ItemId(item_id), EventEpochs.parse(spelled)
                await self._erase(item, [event_id(item, one, epochs.of(one)) for one in range(1, int(newest))])
                self._erased_once.add(field)
            if is_last:
                await self._redis.hdel(keys.ERASED, field)
                self._erased_once.discard(field)

    async def _erase(self, item_id: ItemId, events: Sequence[EventId]) -> None:
        forgotten = 0
        for mirror in self._store.mirrors:
            await self._store.refresh(mirror)
            subscriptions = iter(list(mirror.subscriptions))
            while some := list(islice(subscriptions, _AT_ONCE)):
                forgotten += await self._erase_in(mirror, some, events)
            forgotten += await self._dead.forget_events(mirror.shard, frozenset(events))
        if forgotten:
            log.info("deliveries.erased", item_id=item_id, forgotten=forgotten)

    async def _erase_in(self, mirror: ShardMirror, some: Sequence[SubscriptionId], events: Sequence[EventId]) -> int:
        calls = []
        for one in some:
            shard = mirror.shard
            own = (shard.ready(one), shard.later(one), shard.deliveries(one), shard.attempts(one))
            calls.append(ScriptCall(self._script, [shard.due, *own], {"subscription": one, "events": events}))
        return sum(await run_scripts(self._redis, calls))
