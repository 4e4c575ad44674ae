"""The timeline of an item's last event: accepted, rendered, announced, and the state of each delivery."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from redis.asyncio import Redis

from services.notify.delivery.queue import ATTEMPTS_KEPT
from services.notify.log.event_log import EventLog
from services.notify.model.filter import Listener, candidate
from services.notify.model.subscription import Subscription
from services.notify.subscriptions.store import SubscriptionStore
from shared.model.clock import from_ms
from shared.model.events import PUBLIC_TYPES, LoggedEvent
from shared.model.ids import DeliveryId, EventId, delivery_id
from shared.model.items import Item, Revision
from shared.store.receipts import RenderReceipt, Tally, read_receipt, read_tally

# At most this many deliveries of one event are read; the page says so when there are more.
_DELIVERIES_SHOWN = 200

Status = Literal["delivered", "given up", "waiting", "queued", "held back", "unknown"]


@dataclass(frozen=True)
class DeliveryLine:
    """
    The state of the event at one subscription.

    `held back`: the subscription is paused or disabled. `unknown`: not yet enqueued, or its attempts are forgotten.
    """

    id: DeliveryId
    subscription: Subscription
    status: Status
    attempts: int
    at: datetime | None
    """When the delivery was last tried, or will be tried next."""


@dataclass(frozen=True)
class ItemTimeline:
    """How far the event has come."""

    event_id: EventId
    revision: int
    accepted_at: datetime
    publish_at: datetime | None
    """The end of its embargo, if it had one."""
    is_announced: bool
    """True also when the receipt is no longer kept."""
    receipt: RenderReceipt | None
    tally: Tally
    deliveries: Sequence[DeliveryLine]
    """One for each subscription whose filter matches, up to a limit."""

    @property
    def announced_at(self) -> datetime | None:
        return self.receipt.announced_at if self.receipt else None

    @property
    def is_delivered(self) -> bool:
        return self.announced_at is not None and self.tally.delivered == self.tally.enqueued

    @property
    def took(self) -> float | None:
        """How many seconds passed from the moment it was accepted, or its embargo ended, to its announcement."""
        if self.announced_at is None:
            return None
        due_at = max(self.accepted_at, self.publish_at or self.accepted_at)
        return max(0.0, (self.announced_at - due_at).total_seconds())


class ItemTimelines:
    """Follows events through the log and the queues."""

    def __init__(self, redis: Redis, store: SubscriptionStore, event_log: EventLog) -> None:
        self._redis = redis
        self._store = store
        self._event_log = event_log

    async def of(self, item: Item, revision: Revision) -> ItemTimeline | None:
        """Return the timeline of the item's last event, which `revision` made."""
        if item.event_id is None:
            return None
        receipt = await read_receipt(self._redis, item.id, revision.number)
        logged = await self._logged(receipt)
        matching = await self._matching(logged) if logged is not None else []
        return ItemTimeline(
            event_id=item.event_id,
            revision=revision.number,
            accepted_at=revision.accepted_at,
            publish_at=revision.publish_at,
            is_announced=item.announced >= item.last_event,
            receipt=receipt,
            tally=await read_tally(self._redis, item.event_id),
            deliveries=await self._lines(item.event_id, matching[:_DELIVERIES_SHOWN]),
        )

    async def _logged(self, receipt: RenderReceipt | None) -> LoggedEvent | None:
        if receipt is None or receipt.log_id is None:
            return None
        event = await self._event_log.event(receipt.log_id)
        return LoggedEvent(receipt.log_id, event) if event else None

    async def _matching(self, logged: LoggedEvent) -> list[Subscription]:
        if logged.event.type not in PUBLIC_TYPES:
            return []
        entry = candidate(logged)
        await self._store.refresh_all()
        everyone = [one for mirror in self._store.mirrors for one in mirror.subscriptions.values()]
        return sorted((one for one in everyone if Listener.of(one).hears(entry)), key=lambda one: one.created_at)

    async def _lines(self, event_id: EventId, subscriptions: Sequence[Subscription]) -> Sequence[DeliveryLine]:
        pipeline = self._redis.pipeline(transaction=False)
        for one in subscriptions:
            shard, delivery = self._store.shard_of(one.id), delivery_id(event_id, one.id)
            pipeline.hget(shard.deliveries(one.id), delivery)
            pipeline.zscore(shard.later(one.id), delivery)
            pipeline.xrevrange(shard.attempts(one.id), count=ATTEMPTS_KEPT)
        found = await pipeline.execute() if subscriptions else []
        return [
            _line(one, delivery_id(event_id, one.id), state, due_ms, attempts)
            for one, state, due_ms, attempts in zip(subscriptions, found[::3], found[1::3], found[2::3], strict=True)
        ]


def _line(
    subscription: Subscription, delivery: DeliveryId, state: str | None, due_ms: float | None, kept: Any
) -> DeliveryLine:  # Any: entries of redis-py
    attempts = [json.loads(fields["attempt"]) for _, fields in kept if delivery in fields["attempt"]]
    tried_at = from_ms(int(attempts[0]["at_ms"])) if attempts else None
    if state is not None:
        tried = int(json.loads(state)["attempts"])
        next_at = from_ms(int(due_ms)) if due_ms is not None else None
        return DeliveryLine(delivery, subscription, "waiting" if tried else "queued", tried, next_at)
    if not attempts:
        return DeliveryLine(delivery, subscription, "unknown" if subscription.is_live else "held back", 0, None)
    status: Status = "delivered" if attempts[0]["outcome"] == "delivered" else "given up"
    return DeliveryLine(delivery, subscription, status, int(attempts[0]["attempt"]), tried_at)
