"""
Erase the deliveries of erased items: waiting deliveries, kept attempts, dead letters.

Attempts go, too, because an endpoint's answer may repeat the content that it was sent. The event that announces the
erasure has no content, so its deliveries stay.
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
from shared.model.clock import span_ms, store_now, to_ms
from shared.model.ids import EventId, ItemId, SubscriptionId, event_id
from shared.runtime.background import background, repeated
from shared.store import keys
from shared.store.scripts import Script, ScriptCall, run_scripts

log = structlog.get_logger()

_LOOK_EVERY_SECONDS = 1.0
_AT_ONCE = 100


@dataclass(frozen=True)
class ErasedItem:
    """An item of which only its stub is left; `newest` is the revision that announced the erasure."""

    id: ItemId
    newest: int
    erased_ms: int

    @property
    def events(self) -> Sequence[EventId]:
        """The events that have its content."""
        return [event_id(self.id, number) for number in range(1, self.newest)]

    @property
    def field(self) -> str:
        return f"{self.id}:{self.newest}"


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
        self._done_once: set[str] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work while the block runs."""
        async with background(repeated(self.step, _LOOK_EVERY_SECONDS, "erasing.waiting")):
            yield

    async def step(self) -> None:
        """Erase every item on the list once at first, and once more when no attempt can be running any more."""
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
            calls.append(ScriptCall(self._script, [shard.due, *own], {"subscription": one, "events": events}))
        return sum(await run_scripts(self._redis, calls))
