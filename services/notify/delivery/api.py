"""Deliveries and their attempts over HTTP."""

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from services.notify.delivery.history import DeliveryHistory
from services.notify.model.delivery import subscription_of
from services.notify.subscriptions.api import Key
from services.notify.subscriptions.service import Subscribing
from shared.model.ids import DeliveryId, SubscriptionId


def deliveries_router(history: DeliveryHistory, subscribing: Subscribing, on_work: Callable[[], None]) -> APIRouter:
    """Return the routes; a key sees the deliveries of its own subscriptions."""
    router = APIRouter(prefix="/v1", tags=["deliveries"])

    @router.get("/subscriptions/{subscription_id}/attempts")
    async def attempts(
        subscription_id: SubscriptionId,
        key: Key,
        outcome: Literal["delivered", "failed", "given_up"] | None = None,
        cursor: Annotated[str | None, Query(pattern=r"^[1-9]\d{0,14}-\d{1,10}$")] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
    ) -> dict[str, object]:
        await subscribing.find(subscription_id, key)
        page = await history.attempts(subscription_id, outcome, cursor, limit)
        return {"attempts": page.attempts, "next": page.next}

    @router.get("/deliveries/{delivery_id}")
    async def delivery(delivery_id: DeliveryId, key: Key) -> dict[str, object]:
        await subscribing.find(subscription_of(delivery_id), key)
        return await history.delivery(delivery_id)

    @router.post("/deliveries/{delivery_id}/retry", status_code=202)
    async def retry(delivery_id: DeliveryId, key: Key) -> dict[str, object]:
        await subscribing.find(subscription_of(delivery_id), key)
        await history.retry_now(delivery_id)
        on_work()
        return {"delivery_id": delivery_id}

    return router
