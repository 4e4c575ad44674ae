"""One delivery at the console: the request, and each attempt with its answer."""

import json
from typing import Any

from redis.asyncio import Redis
from starlette.requests import Request

from services.notify.console.rendering import View
from services.notify.console.routes import ConsoleRoutes
from services.notify.console.sessions import Operator
from services.notify.delivery.history import DeliveryHistory
from services.notify.log.event_log import EventLog
from services.notify.model.delivery import subscription_of
from services.notify.subscriptions.service import SubscriptionService
from services.notify.subscriptions.store import SubscriptionStore
from shared.model.ids import DeliveryId, LogId


def add_deliveries(
    console: ConsoleRoutes,
    redis: Redis,
    *,
    store: SubscriptionStore,
    service: SubscriptionService,
    history: DeliveryHistory,
    event_log: EventLog,
) -> None:
    """Declare the page of a delivery."""

    async def body_of(delivery_id: DeliveryId) -> str | None:
        """Return what is sent, in readable form; None where the log no longer has it."""
        subscription_id = subscription_of(delivery_id)
        shard = store.shard_of(subscription_id)
        kept = await redis.hget(shard.deliveries(subscription_id), delivery_id)
        if kept is None:
            lines: Any = await redis.xrevrange(shard.attempts(subscription_id))  # Any: entries of redis-py
            kept = next((fields["attempt"] for _, fields in lines if delivery_id in fields["attempt"]), None)
        if kept is None:
            return None
        known = json.loads(kept)
        event = await event_log.event(LogId(known["log_id"]))
        body = known.get("body") or (event.body if event else None)
        return json.dumps(json.loads(body), ensure_ascii=False, indent=2) if body else None

    @console.page("/deliveries/{delivery_id}")
    async def delivery(request: Request, operator: Operator) -> View:
        delivery_id = DeliveryId(request.path_params["delivery_id"])
        values = {
            "subscription": await service.find(subscription_of(delivery_id), operator.key),
            "delivery": await history.delivery(delivery_id),
            "body": await body_of(delivery_id),
        }
        return View("delivery", "subscriptions", f"Delivery {delivery_id}", values)
