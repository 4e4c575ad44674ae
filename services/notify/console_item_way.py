"""The way of an item's last event: accepted, announced, and what became of each delivery."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from redis.asyncio import Redis

from services.notify.delivery_queue import ATTEMPTS_KEPT
from services.notify.event_log import EventLog
from services.notify.fan_out import Listener, candidate, position
from services.notify.subscription_store import SubscriptionStore
from services.notify.subscriptions import Subscription
from shared.clock import from_ms, to_ms
from shared.events import PUBLIC_TYPES, LoggedEvent
from shared.ids import DeliveryId, EventId, LogId, delivery_id
from shared.items import Item, Revision

# An announcement follows its event within a second, unless render is down; so many entries of the log are looked at.
_LOOKED_AT = 2000
_READ_AT_ONCE = 200
_PLACES_REMEMBERED = 1000
# Deliveries of one event that are looked up; the page says so where there are more.
_DELIVERIES_SHOWN = 200

Status = Literal["delivered", "given up", "waiting", "queued", "held back", "unknown"]


@dataclass(frozen=True)
class DeliveryLine:
    """
    What became of the event at one subscription.

    `held back` while it is paused or disabled. `unknown`: not yet enqueued, or its attempts are forgotten.
    """

    id: DeliveryId
    subscription: Subscription
    status: Status
    attempts: int
    at: datetime | None
    """When it was last tried, or will be next."""


@dataclass(frozen=True)
class Way:
    """How far the event has come."""

    event_id: EventId
    revision: int
    accepted_at: datetime
    publish_at: datetime | None
    """The end of its embargo, if it had one."""
    announced_at: datetime | None
    is_announced: bool
    """Also where the log no longer tells when."""
    deliveries: Sequence[DeliveryLine]
    matching: int
    """Of how many subscriptions the filter matches."""

    @property
    def delivered(self) -> int:
        return sum(line.status == "delivered" for line in self.deliveries)

    @property
    def took(self) -> float | None:
        """How many seconds lay between its moment and its announcement."""
        if self.announced_at is None:
            return None
        return max(
            0.0, (self.announced_at - max(self.accepted_at, self.publish_at or self.accepted_at)).total_seconds()
        )

    @property
    def last_delivered_at(self) -> datetime | None:
        return max((line.at for line in self.deliveries if line.status == "delivered" and line.at), default=None)


class WayReader:
    """Follows events through the log and the queues."""

    def __init__(self, redis: Redis, store: SubscriptionStore, event_log: EventLog) -> None:
        self._redis = redis
        self._store = store
        self._event_log = event_log
        self._places: dict[EventId, LogId | None] = {}

    async def of(self, item: Item, revision: Revision) -> Way | None:
        """Return the way of the item's last event, which `revision` made."""
        if item.event_id is None:
            return None
        is_announced = item.announced >= item.last_event
        logged = await self._logged(item.event_id, item, revision) if is_announced else None
        matching = await self._matching(logged) if logged is not None else []
        return Way(
            event_id=item.event_id,
            revision=revision.number,
            accepted_at=revision.accepted_at,
            publish_at=revision.publish_at,
            announced_at=from_ms(position(logged.log_id)[0]) if logged else None,
            is_announced=is_announced,
            deliveries=await self._lines(item.event_id, matching[:_DELIVERIES_SHOWN]),
            matching=len(matching),
        )

    async def _logged(self, event_id: EventId, item: Item, revision: Revision) -> LoggedEvent | None:
        if event_id not in self._places:
            if len(self._places) >= _PLACES_REMEMBERED:
                self._places.clear()
            self._places[event_id] = await self._place(event_id, item, revision)
        place = self._places[event_id]
        event = await self._event_log.event(place) if place else None
        return LoggedEvent(place, event) if place and event else None

    async def _place(self, event_id: EventId, item: Item, revision: Revision) -> LogId | None:
        # An event follows its revision's acceptance, the end of its embargo, and its item's first publication.
        moments = [moment for moment in (revision.accepted_at, revision.publish_at, item.released_at) if moment]
        place = LogId(f"{to_ms(max(moments) - timedelta(milliseconds=1))}-0")
        for _ in range(_LOOKED_AT // _READ_AT_ONCE):
            page = await self._event_log.after(place, _READ_AT_ONCE)
            for logged in page.events:
                if logged.event.id == event_id:
                    return logged.log_id
            if page.last is None:
                break
            place = page.last
        return None

    async def _matching(self, logged: LoggedEvent) -> list[Subscription]:
        if logged.event.type not in PUBLIC_TYPES:
            return []
        entry = candidate(logged)
        await self._store.refresh_all()
        everyone = [one for mirror in self._store.mirrors for one in mirror.subscriptions.values()]
        return sorted((one for one in everyone if Listener.of(one).wants(entry)), key=lambda one: one.created_at)

    async def _lines(self, event_id: EventId, subscriptions: Sequence[Subscription]) -> Sequence[DeliveryLine]:
        pipeline = self._redis.pipeline(transaction=False)
        for one in subscriptions:
            shard, delivery = self._store.shard_of(one.id), delivery_id(event_id, one.id)
            pipeline.hget(shard.deliveries(one.id), delivery)
            pipeline.zscore(shard.later(one.id), delivery)
            pipeline.xrevrange(shard.attempts(one.id), count=ATTEMPTS_KEPT)
        found = await pipeline.execute() if subscriptions else []
        return [
            _line(one, delivery_id(event_id, one.id), *found[place * 3 : place * 3 + 3])
            for place, one in enumerate(subscriptions)
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
