"""One delivery at the console: what is sent, and each attempt with its answer."""

import json
from typing import Any

from redis.asyncio import Redis

from services.notify.console.rendering import View
from services.notify.delivery.history import DeliveryHistory
from services.notify.log.event_log import EventLog
from services.notify.model.delivery import subscription_of
from services.notify.subscriptions.service import Subscribing
from services.notify.subscriptions.store import SubscriptionStore
from shared.http.auth import ApiKey
from shared.model.ids import DeliveryId, LogId, SubscriptionId


class Deliveries:
    """Reads what the page about a delivery shows."""

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

    async def one(self, delivery_id: DeliveryId, key: ApiKey) -> View:
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
