"""The routes that change items: `PUT`, `POST` and `DELETE` below `/v1/items`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from services.ingest.api.request_body import ItemReader, actor_of, json_bytes, small_body
from services.ingest.contract.answers import Erasure, Receipt
from services.ingest.contract.item_body import ExternalId, IdentifiedItemBody, ItemBody, Source, WithdrawalBody
from services.ingest.contract.openapi import Json, documented_body, problems
from services.ingest.publishing.erasure import Eraser
from services.ingest.publishing.idempotency import IdempotencyKeys, KeptAnswer
from services.ingest.publishing.publisher import Publisher
from shared.http.api_keys import ApiKey
from shared.http.auth import key_with
from shared.model.items import Withdrawal

_CREATED: dict[int | str, Json] = {201: {"model": Receipt, "description": "Created"}}
_WILL_BE_ERASED: dict[int | str, Json] = {202: {"model": Erasure, "description": "It will be erased"}}
_REFUSED = problems(400, 401, 403, 409, 412, 413, 415, 422, 429, 503, 507)

Key = Annotated[ApiKey, Depends(key_with("items:write"))]


def items_router(
    publisher: Publisher, reader: ItemReader, idempotency_keys: IdempotencyKeys, eraser: Eraser
) -> APIRouter:
    """Return the routes that change one item."""
    router = APIRouter(prefix="/v1/items", tags=["items"])

    @router.put(
        "/{source}/{external_id}",
        summary="Create or revise an item",
        response_model=Receipt,
        responses=_CREATED | _REFUSED,
        openapi_extra=documented_body(ItemBody, "If-Match"),
    )
    async def put(source: Source, external_id: ExternalId, request: Request, key: Key) -> Response:
        """Create or revise the item: 201 created, 200 revised or unchanged."""
        key.require_source(source)
        body = await reader.item(await json_bytes(request))
        return _answer(await publisher.publish(source, external_id, body, actor_of(key, request)))

    @router.post(
        "",
        summary="Create or revise the item that the body identifies",
        response_model=Receipt,
        responses=_CREATED | _REFUSED,
        openapi_extra=documented_body(IdentifiedItemBody, "If-Match", "Idempotency-Key"),
    )
    async def post(request: Request, key: Key) -> Response:
        """Create or revise the item that the body identifies; with an Idempotency-Key, once in 24 hours."""
        raw = await json_bytes(request)
        body = await reader.identified_item(raw)
        key.require_source(body.source)
        actor = actor_of(key, request)

        async def publish() -> KeptAnswer:
            receipt = await publisher.publish(body.source, body.external_id, body, actor)
            return KeptAnswer(receipt.status, _content(receipt), f'"{receipt.revision}"')

        name = request.headers.get("idempotency-key")
        answered = await idempotency_keys.once(key.name, name, raw, publish) if name else await publish()
        return JSONResponse(answered.content, answered.status, headers={"ETag": answered.etag})

    @router.post(
        "/validate",
        summary="Say what PUT would say, and write nothing",
        response_model=Receipt,
        responses=_REFUSED,
        openapi_extra=documented_body(IdentifiedItemBody, "If-Match"),
    )
    async def validate(request: Request, key: Key) -> Response:
        """Say what PUT would say: 200 and the receipt that it would give, or the same refusal."""
        body = await reader.identified_item(await json_bytes(request))
        key.require_source(body.source)
        receipt = await publisher.rehearse(body.source, body.external_id, body, actor_of(key, request))
        return JSONResponse(_content(receipt))

    @router.delete(
        "/{source}/{external_id}",
        summary="Withdraw an item, or erase it",
        response_model=Receipt | Erasure,
        responses=_WILL_BE_ERASED | _REFUSED | problems(404),
        openapi_extra=documented_body(WithdrawalBody, "If-Match", required=False),
    )
    async def delete(
        source: Source, external_id: ExternalId, request: Request, key: Key, *, purge: bool = False
    ) -> Response:
        """Withdraw the item as the body says; with `purge`, erase it everywhere and leave an audited stub."""
        if purge:
            key.require_scope("admin")
        key.require_source(source)
        body = await small_body(WithdrawalBody, request)
        actor = actor_of(key, request)
        if purge:
            erasure = await eraser.erase(source, external_id, actor)
            return JSONResponse(erasure.model_dump(mode="json"), 200 if erasure.erased else 202)
        withdrawal = Withdrawal(mode=body.mode, to=body.to, notice=body.notice)
        return _answer(await publisher.withdraw(source, external_id, withdrawal, actor))

    return router


def _answer(receipt: Receipt) -> JSONResponse:
    return JSONResponse(_content(receipt), receipt.status, headers={"ETag": f'"{receipt.revision}"'})


def _content(receipt: Receipt) -> dict[str, object]:
    return receipt.model_dump(mode="json", exclude={"scheduled"} if receipt.scheduled is None else None)
