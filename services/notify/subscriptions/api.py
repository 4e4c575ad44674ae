"""Subscriptions over HTTP."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from services.notify.model.subscription import Subscription
from services.notify.subscriptions.requests import (
    ResumeRequest,
    RotateRequest,
    SubscriptionBodies,
    parse,
)
from services.notify.subscriptions.service import SubscriptionService
from shared.http.api_keys import ApiKey
from shared.http.auth import key_with
from shared.model.clock import to_ms
from shared.model.ids import SubscriptionId

Key = Annotated[ApiKey, Depends(key_with("subscriptions:write"))]


def subscriptions_router(
    service: SubscriptionService, bodies: SubscriptionBodies, on_work: Callable[[], None]
) -> APIRouter:
    """Return the routes of subscriptions. `on_work` is called when there is something to enqueue or to send."""
    router = APIRouter(prefix="/v1/subscriptions", tags=["subscriptions"])
    request_schemas, patch_schemas = bodies.schemas()
    shown = bodies.shown

    @router.post("", status_code=201, openapi_extra=documented_body(*request_schemas))
    async def subscribe(request: Request, key: Key, response: Response) -> dict[str, object]:
        made = await service.subscribe(bodies.request(await request.body()), key)
        response.headers["Location"] = f"/v1/subscriptions/{made.subscription.id}"
        on_work()
        return {**shown(made.subscription), "secret": made.secret}

    @router.get("")
    async def list_subscriptions(
        key: Key,
        cursor: Annotated[str | None, Query(max_length=100)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> dict[str, object]:
        behind = [one for one in await service.list(key) if cursor is None or _cursor(one) > cursor]
        page = behind[:limit]
        next_page = _cursor(page[-1]) if len(behind) > limit else None
        return {"subscriptions": [shown(one) for one in page], "next": next_page}

    @router.get("/{subscription_id}")
    async def get(subscription_id: SubscriptionId, key: Key) -> dict[str, object]:
        return shown(await service.find(subscription_id, key))

    @router.patch("/{subscription_id}", openapi_extra=documented_body(*patch_schemas))
    async def change(subscription_id: SubscriptionId, request: Request, key: Key) -> dict[str, object]:
        channel = service.channel_of(await service.find(subscription_id, key))
        return shown(await service.change(subscription_id, bodies.patch(await request.body(), channel.kind), key))

    @router.delete("/{subscription_id}", status_code=204)
    async def delete(subscription_id: SubscriptionId, key: Key) -> None:
        await service.delete(subscription_id, key)

    @router.post("/{subscription_id}/pause")
    async def pause(subscription_id: SubscriptionId, key: Key) -> dict[str, object]:
        return shown(await service.pause(subscription_id, key))

    @router.post("/{subscription_id}/resume", openapi_extra=documented_body(ResumeRequest.model_json_schema()))
    async def resume(subscription_id: SubscriptionId, request: Request, key: Key) -> dict[str, object]:
        asked = parse(ResumeRequest, await request.body())
        resumed = await service.resume(subscription_id, asked, key)
        on_work()
        return shown(resumed)

    @router.post("/{subscription_id}/rotate-secret", openapi_extra=documented_body(RotateRequest.model_json_schema()))
    async def rotate_secret(subscription_id: SubscriptionId, request: Request, key: Key) -> dict[str, object]:
        asked = parse(RotateRequest, await request.body())
        made = await service.rotate_secret(subscription_id, asked, key)
        return {**shown(made.subscription), "secret": made.secret}

    @router.post("/{subscription_id}/ping", status_code=202)
    async def ping(subscription_id: SubscriptionId, key: Key) -> dict[str, object]:
        enqueued = await service.ping(subscription_id, key)
        on_work()
        return {"delivery_id": enqueued}

    return router


def _cursor(subscription: Subscription) -> str:
    """Return the place of a subscription in the list, which is in the order of their creation."""
    return f"{to_ms(subscription.created_at):015}-{subscription.id}"


def documented_body(*schemas: dict[str, Any]) -> dict[str, object]:  # Any: JSON
    """Describe a body that is read raw, so that a refusal names everything that is wrong with the body."""
    inlined = [_inlined(schema, schema.pop("$defs", {})) for schema in schemas]
    schema = inlined[0] if len(inlined) == 1 else {"oneOf": inlined}
    return {"requestBody": {"content": {"application/json": {"schema": schema}}}}


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:  # Any: JSON
    """Return the schema with its definitions in place of the references: OpenAPI resolves references elsewhere."""
    if isinstance(schema, list):
        return [_inlined(one, definitions) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {name: _inlined(one, definitions) for name, one in schema.items()}
