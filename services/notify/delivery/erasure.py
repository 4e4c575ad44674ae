"""
Forget the deliveries of items that were erased: those that wait, the attempts made, the dead letters.

What the endpoints answered may repeat what they were sent. The event that told of the erasure has nothing of the
content, so its deliveries stay.
"""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

import structlog
from redis.asyncio import Redis

from services.notify.delivery.dead_letters import DeadDeliveries
from services.notify.subscriptions.store import ShardMirror, SubscriptionStore
from shared.model.clock import store_now, to_ms
from shared.model.ids import EventId, ItemId, SubscriptionId, event_id
from shared.runtime.background import background, repeated
from shared.store import keys
from shared.store.scripts import Call, Script, run

log = structlog.get_logger()

_LOOK_EVERY_SECONDS = 1.0
_AT_ONCE = 100


@dataclass(frozen=True)
class ErasedItem:
    """An item of which nothing is left but its stub; `newest` is the revision that told of the erasure."""

    id: ItemId
    newest: int
    erased_ms: int

    @property
    def events(self) -> Sequence[EventId]:
        """The events that told of its content."""
        return [event_id(self.id, number) for number in range(1, self.newest)]

    @property
    def field(self) -> str:
        return f"{self.id}:{self.newest}"


class DeliveryEraser:
    """
    Does in the delivery shards what erasing an item did in the store; any number of processes may.

    An attempt that was in the air may come back and leave its answer, so an item stays on the list until none can.
    """

    def __init__(self, redis: Redis, store: SubscriptionStore, longest_attempt: timedelta) -> None:
        self._redis = redis
        self._store = store
        self._dead = DeadDeliveries(redis, store)
        self._longest_attempt_ms = longest_attempt // timedelta(milliseconds=1)
        self._script = Script(redis, __name__, "forget_deliveries.lua")
        self._done_once: set[str] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work while the block runs."""
        async with background(repeated(self.step, _LOOK_EVERY_SECONDS, "erasing.waiting")):
            yield

    async def step(self) -> None:
        """Forget what there is of every item on the list, once at first and once when no attempt is in the air."""
        found = await self._redis.hgetall(keys.ERASED)
        if not found:
            return
        now_ms = to_ms(await store_now(self._redis))
        for field, erased_ms in found.items():
            item_id, _, newest = str(field).partition(":")
            item = ErasedItem(ItemId(item_id), int(newest), int(erased_ms))
            is_last = now_ms - item.erased_ms > self._longest_attempt_ms
            if is_last or item.field not in self._done_once:
                await self._forget(item)
                self._done_once.add(item.field)
            if is_last:
                await self._redis.hdel(keys.ERASED, item.field)
                self._done_once.discard(item.field)

    async def _forget(self, item: ErasedItem) -> None:
        events = item.events
        forgotten = 0
        for mirror in self._store.mirrors:
            await self._store.refresh(mirror)
            subscriptions = iter(list(mirror.subscriptions))
            while some := list(islice(subscriptions, _AT_ONCE)):
                forgotten += await self._forget_in(mirror, some, events)
            forgotten += await self._dead.forget_events(mirror.shard, frozenset(events))
        if forgotten:
            log.info("deliveries.erased", item_id=item.id, forgotten=forgotten)

    async def _forget_in(self, mirror: ShardMirror, some: Sequence[SubscriptionId], events: Sequence[EventId]) -> int:
        calls = []
        for one in some:
            shard = mirror.shard
            own = (shard.ready(one), shard.later(one), shard.deliveries(one), shard.attempts(one))
            calls.append(Call(self._script, [shard.due, *own], {"subscription": one, "events": events}))
        return sum(await run(self._redis, calls))
