"""Replays and dead letters over HTTP."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict

from services.notify.delivery.dead_letters import DeadDeliveries, DeadDelivery
from services.notify.delivery.replays import Only, Replay, ReplayStore
from services.notify.subscriptions.api import Key
from services.notify.subscriptions.requests import parse
from services.notify.subscriptions.service import Subscribing
from shared.model.clock import iso
from shared.model.ids import SubscriptionId


class ReplayRequest(BaseModel):
    """What is to be made again: events from `since` on and before `until`, those given up only or all that match."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    only: Only = "failed"


def replays_router(
    subscribing: Subscribing,
    replays: ReplayStore,
    dead: DeadDeliveries,
    on_replay: Callable[[], None],
) -> APIRouter:
    """Return the routes; a key sees what concerns its own subscriptions."""
    router = APIRouter(prefix="/v1", tags=["deliveries"])

    @router.post("/subscriptions/{subscription_id}/replay", status_code=202, openapi_extra=_BODY)
    async def replay(
        subscription_id: SubscriptionId, request: Request, response: Response, key: Key
    ) -> dict[str, object]:
        asked = parse(ReplayRequest, await request.body())
        subscription = await subscribing.find(subscription_id, key)
        begun = await replays.begin(subscription, asked.only, asked.since, asked.until)
        response.headers["Location"] = f"/v1/subscriptions/{subscription_id}/replays/{begun.id}"
        on_replay()
        return shown(begun)

    @router.get("/subscriptions/{subscription_id}/replays/{replay_id}")
    async def progress(subscription_id: SubscriptionId, replay_id: str, key: Key) -> dict[str, object]:
        await subscribing.find(subscription_id, key)
        return shown(await replays.find(subscription_id, replay_id))

    @router.get("/deliveries/dead-letters")
    async def dead_letters(
        key: Key,
        subscription_id: SubscriptionId | None = None,
        cursor: Annotated[str | None, Query(pattern=r"^[1-9]\d{0,14}-\d{1,10}-\d{1,3}$")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> dict[str, object]:
        """List deliveries that were given up, the newest first; `POST /v1/deliveries/{id}/retry` makes one again."""
        if subscription_id is not None:
            await subscribing.find(subscription_id, key)
            seen: set[SubscriptionId] | None = {subscription_id}
        else:
            seen = None if key.is_admin else {one.id for one in await subscribing.list(key)}
        page = await dead.newest(seen, cursor, limit)
        return {"dead_letters": [shown_letter(letter) for letter in page.letters], "next": page.next}

    return router


def shown(replay: Replay) -> dict[str, object]:
    """Return what a caller sees of a job; `deliveries` counts those made again, or found waiting already."""
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


def shown_letter(letter: DeadDelivery) -> dict[str, object]:
    """Return what a caller sees of a delivery that was given up."""
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


# The body is read raw, because every problem is to be told at once; the documentation has its schema all the same.
_BODY: dict[str, object] = {
    "requestBody": {"content": {"application/json": {"schema": ReplayRequest.model_json_schema()}}}
}
