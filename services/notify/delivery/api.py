"""Deliveries, replays and dead letters over HTTP."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict

from services.notify.delivery.dead_letters import DeadDeliveries, DeadDelivery
from services.notify.delivery.history import DeliveryHistory
from services.notify.delivery.replays import Only, Replay, ReplayStore
from services.notify.model.delivery import subscription_of
from services.notify.subscriptions.api import Key, documented_body
from services.notify.subscriptions.requests import parse
from services.notify.subscriptions.service import SubscriptionService
from shared.model.clock import iso
from shared.model.ids import DeliveryId, SubscriptionId


class ReplayRequest(BaseModel):
    """Which deliveries are made again: of events from `since` on and before `until`; failed ones, or all that match."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    only: Only = "failed"


def deliveries_router(
    service: SubscriptionService,
    *,
    history: DeliveryHistory,
    dead: DeadDeliveries,
    replays: ReplayStore,
    on_work: Callable[[], None],
    on_replay: Callable[[], None],
) -> APIRouter:
    """Return the routes. A key sees the deliveries of its own subscriptions."""
    router = APIRouter(prefix="/v1", tags=["deliveries"])

    @router.post(
        "/subscriptions/{subscription_id}/replay",
        status_code=202,
        openapi_extra=documented_body(ReplayRequest.model_json_schema()),
    )
    async def replay(
        subscription_id: SubscriptionId, request: Request, response: Response, key: Key
    ) -> dict[str, object]:
        asked = parse(ReplayRequest, await request.body())
        subscription = await service.find(subscription_id, key)
        begun = await replays.begin(subscription, asked.only, asked.since, asked.until)
        response.headers["Location"] = f"/v1/subscriptions/{subscription_id}/replays/{begun.id}"
        on_replay()
        return _shown(begun)

    @router.get("/subscriptions/{subscription_id}/replays/{replay_id}")
    async def progress(subscription_id: SubscriptionId, replay_id: str, key: Key) -> dict[str, object]:
        await service.find(subscription_id, key)
        return _shown(await replays.find(subscription_id, replay_id))

    @router.get("/subscriptions/{subscription_id}/attempts")
    async def attempts(
        subscription_id: SubscriptionId,
        key: Key,
        outcome: Literal["delivered", "failed", "given_up"] | None = None,
        cursor: Annotated[str | None, Query(pattern=r"^[1-9]\d{0,14}-\d{1,10}$")] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
    ) -> dict[str, object]:
        await service.find(subscription_id, key)
        page = await history.attempts(subscription_id, outcome, cursor, limit)
        return {"attempts": page.attempts, "next": page.next}

    # Before the single delivery: routes are tried in order, and "dead-letters" is no delivery's id.
    @router.get("/deliveries/dead-letters")
    async def dead_letters(
        key: Key,
        subscription_id: SubscriptionId | None = None,
        cursor: Annotated[str | None, Query(pattern=r"^[1-9]\d{0,14}-\d{1,10}-\d{1,3}$")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> dict[str, object]:
        """List deliveries that were given up, the newest first. `POST /v1/deliveries/{id}/retry` retries one."""
        if subscription_id is not None:
            await service.find(subscription_id, key)
            seen: set[SubscriptionId] | None = {subscription_id}
        else:
            seen = None if key.is_admin else {one.id for one in await service.list(key)}
        page = await dead.newest(seen, cursor, limit)
        return {"dead_letters": [_shown_letter(letter) for letter in page.letters], "next": page.next}

    @router.get("/deliveries/{delivery_id}")
    async def delivery(delivery_id: DeliveryId, key: Key) -> dict[str, object]:
        await service.find(subscription_of(delivery_id), key)
        return await history.delivery(delivery_id)

    @router.post("/deliveries/{delivery_id}/retry", status_code=202)
    async def retry(delivery_id: DeliveryId, key: Key) -> dict[str, object]:
        await service.find(subscription_of(delivery_id), key)
        await history.retry_now(delivery_id)
        on_work()
        return {"delivery_id": delivery_id}

    return router


def _shown(replay: Replay) -> dict[str, object]:
    """Return a replay as callers see it. `deliveries` counts those made again, and those found waiting already."""
    return {
        "id": replay.id,
        "subscription_id": replay.subscription_id,
        "only": replay.only,
        "since": _iso(replay.since),
        "until": _iso(replay.until),
        "state": replay.state,
        "progress": round(replay.progress, 3),
        "deliveries": replay.deliveries,
        "created_at": iso(replay.created_at),
        "finished_at": _iso(replay.finished_at),
    }


def _shown_letter(letter: DeadDelivery) -> dict[str, object]:
    last = letter.last_attempt
    return {
        "delivery_id": letter.delivery.id,
        "subscription_id": letter.subscription_id,
        "event_id": letter.delivery.event_id,
        "event_type": letter.delivery.event_type,
        "status": "given_up",
        "given_up_at": iso(letter.given_up_at),
        "attempts": letter.delivery.attempts,
        "last_attempt": {
            name: last.get(name) for name in ("outcome", "status", "reason", "detail", "duration_ms", "answer")
        },
    }


def _iso(moment: datetime | None) -> str | None:
    return iso(moment) if moment is not None else None
