"""Subscriptions, deliveries and dead letters at the console."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from redis.asyncio import Redis

from services.notify.console_pages import View
from services.notify.deliveries import subscription_of
from services.notify.delivery_history import DeliveryHistory
from services.notify.event_log import EventLog
from services.notify.subscribing import Subscribing
from services.notify.subscription_store import SubscriptionStore
from services.notify.subscriptions import Subscription
from shared import keys
from shared.auth import ApiKey
from shared.clock import from_ms
from shared.dead_letters import DeadLetter, DeadLetters
from shared.ids import DeliveryId, LogId, SubscriptionId
from shared.keys import Shard

_SHOWN = 100
_ATTEMPTS_SHOWN = 25
OUTCOMES = ("delivered", "failed", "given_up")
STATES = ("active", "paused", "disabled")


@dataclass(frozen=True)
class Row:
    """A subscription in the list, with what waits for it."""

    subscription: Subscription
    waiting: int
    attempts: int
    failing_since: datetime | None


@dataclass(frozen=True)
class GivenUp:
    """A delivery among the dead letters."""

    letter: str
    at: datetime
    delivery: DeliveryId
    subscription: SubscriptionId
    event_type: str
    attempts: int
    why: str


class Subscriptions:
    """Reads what the pages about subscriptions show."""

    def __init__(
        self,
        redis: Redis,
        store: SubscriptionStore,
        subscribing: Subscribing,
        history: DeliveryHistory,
        event_log: EventLog,
    ) -> None:
        self._redis = redis
        self._store = store
        self._subscribing = subscribing
        self._history = history
        self._event_log = event_log
        self._dead_letters = DeadLetters(redis)

    async def all(self, key: ApiKey, state: str | None, page: int) -> View:
        """Return the list, a page of it, of one state only if one is given."""
        everyone = await self._subscribing.list(key)
        wanted = [one for one in reversed(everyone) if state in (None, one.state)]
        start = (page - 1) * _SHOWN
        values = {
            "rows": await self._rows(wanted[start : start + _SHOWN]),
            "counts": {name: sum(one.state == name for one in everyone) for name in STATES},
            "total": len(everyone),
            "state": state,
            "page": page,
            "has_more": len(wanted) > start + _SHOWN,
        }
        return View("subscriptions", "subscriptions", "Subscriptions", values)

    async def _rows(self, subscriptions: Sequence[Subscription]) -> Sequence[Row]:
        pipeline = self._redis.pipeline(transaction=False)
        for one in subscriptions:
            shard = self._store.shard_of(one.id)
            pipeline.hlen(shard.deliveries(one.id))
            pipeline.xlen(shard.attempts(one.id))
            pipeline.hget(shard.endpoint(one.id), "failing_since")
        found = await pipeline.execute() if subscriptions else []
        return [
            Row(one, waiting, attempts, from_ms(int(since)) if since else None)
            for one, waiting, attempts, since in zip(subscriptions, found[::3], found[1::3], found[2::3], strict=True)
        ]

    async def one(
        self, subscription_id: SubscriptionId, key: ApiKey, outcome: str | None, before: str | None, oldest: str | None
    ) -> View:
        """Return the page of a subscription, with its attempts. Raises NotFound."""
        subscription = await self._subscribing.find(subscription_id, key)
        attempts = await self._history.attempts(subscription_id, outcome, before, _ATTEMPTS_SHOWN)
        values = {
            "row": (await self._rows([subscription]))[0],
            "attempts": attempts.attempts,
            "next": attempts.next,
            "outcome": outcome,
            "before": before,
            "oldest": oldest,
        }
        return View("subscription", "subscriptions", subscription.description or subscription.url, values)

    async def delivery(self, delivery_id: DeliveryId, key: ApiKey) -> View:
        """Return the page of a delivery: what is sent, and each attempt with its answer. Raises NotFound."""
        subscription = await self._subscribing.find(subscription_of(delivery_id), key)
        delivery = await self._history.delivery(delivery_id)
        values = {
            "subscription": subscription,
            "delivery": delivery,
            "body": await self._body(delivery_id, subscription.id),
        }
        return View("delivery", "subscriptions", f"Delivery {delivery_id}", values)

    async def _body(self, delivery_id: DeliveryId, subscription_id: SubscriptionId) -> str | None:
        """Return what is sent, in readable form; None where the log no longer has it."""
        shard = self._store.shard_of(subscription_id)
        kept = await self._redis.hget(shard.deliveries(subscription_id), delivery_id)
        if kept is None:
            lines: Any = await self._redis.xrevrange(shard.attempts(subscription_id))  # Any: entries of redis-py
            kept = next((fields["attempt"] for _, fields in lines if delivery_id in fields["attempt"]), None)
        if kept is None:
            return None
        known = json.loads(kept)
        event = await self._event_log.event(LogId(known["log_id"]))
        body = known.get("body") or (event.body if event else None)
        return json.dumps(json.loads(body), ensure_ascii=False, indent=2) if body else None

    async def dead_letters(self) -> View:
        """Return the page of what was given up."""
        deliveries = [letter for mirror in self._store.mirrors for letter in await self._given_up(mirror.shard)]
        deliveries.sort(key=lambda one: one.at, reverse=True)
        events: Sequence[DeadLetter] = await self._dead_letters.newest(_SHOWN)
        values = {
            "deliveries": deliveries[:_SHOWN],
            "events": events,
            "deliveries_kept": sum([await self._redis.xlen(one.shard.dead_letters) for one in self._store.mirrors]),
            "events_kept": await self._redis.xlen(keys.DEAD_LETTERS),
        }
        return View("dead_letters", "dead-letters", "Dead letters", values)

    async def _given_up(self, shard: Shard) -> Sequence[GivenUp]:
        entries: Any = await self._redis.xrevrange(shard.dead_letters, count=_SHOWN)  # Any: entries of redis-py
        found = []
        for entry_id, fields in entries:
            attempt = json.loads(fields["attempt"])
            found.append(
                GivenUp(
                    letter=entry_id,
                    at=from_ms(int(entry_id.partition("-")[0])),
                    delivery=DeliveryId(fields["delivery"]),
                    subscription=SubscriptionId(fields["subscription"]),
                    event_type=attempt["event_type"],
                    attempts=int(attempt["attempt"]),
                    why=" ".join(str(attempt[name]) for name in ("reason", "status") if attempt.get(name)),
                )
            )
        return found

    async def forget_letters(self, delivery_id: DeliveryId) -> None:
        """Take a delivery that is tried again from the dead letters; it comes back there if it fails again."""
        shard = self._store.shard_of(subscription_of(delivery_id))
        letters = [one.letter for one in await self._given_up(shard) if one.delivery == delivery_id]
        if letters:
            await self._redis.xdel(shard.dead_letters, *letters)
