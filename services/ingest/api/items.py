"""The HTTP interface of upstream systems: what writes items, `/v1/items`."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from services.ingest.api.authentication import Gate, sender
from services.ingest.api.item_reader import ItemReader
from services.ingest.api.request_body import json_bytes, small_body
from services.ingest.contract.answers import Erasure, Receipt
from services.ingest.contract.item_body import ExternalId, IdentifiedItemBody, ItemBody, Source, WithdrawalBody
from services.ingest.contract.openapi import Json, documented_body, problems
from services.ingest.publishing.erasure import Eraser
from services.ingest.publishing.idempotency import Answered, IdempotencyKeys
from services.ingest.publishing.publisher import Publisher
from shared.model.items import Withdrawal


class ItemsApi:
    """The calls that change items."""

    def __init__(
        self, publisher: Publisher, reader: ItemReader, gate: Gate, idempotency_keys: IdempotencyKeys, eraser: Eraser
    ) -> None:
        self._publisher = publisher
        self._reader = reader
        self._gate = gate
        self._idempotency_keys = idempotency_keys
        self._eraser = eraser
        self.router = APIRouter(prefix="/v1/items", tags=["items"])
        self._add_routes(self.router)

    def _add_routes(self, router: APIRouter) -> None:
        accepted: dict[int | str, Json] = {201: {"model": Receipt, "description": "Created"}}
        refused = problems(400, 401, 403, 409, 412, 413, 415, 422, 429, 503, 507)
        router.add_api_route(
            "/{source}/{external_id}",
            self.put,
            methods=["PUT"],
            summary="Create or revise an item",
            response_model=Receipt,
            responses=accepted | refused,
            openapi_extra=documented_body(ItemBody, "If-Match"),
        )
        router.add_api_route(
            "",
            self.post,
            methods=["POST"],
            summary="Create or revise the item that the body identifies",
            response_model=Receipt,
            responses=accepted | refused,
            openapi_extra=documented_body(IdentifiedItemBody, "If-Match", "Idempotency-Key"),
        )
        router.add_api_route(
            "/validate",
            self.validate,
            methods=["POST"],
            summary="Say what PUT would say, and write nothing",
            response_model=Receipt,
            responses=refused,
            openapi_extra=documented_body(IdentifiedItemBody, "If-Match"),
        )
        router.add_api_route(
            "/{source}/{external_id}",
            self.delete,
            methods=["DELETE"],
            summary="Withdraw an item, or erase it",
            response_model=Receipt | Erasure,
            responses={202: {"model": Erasure, "description": "It will be erased"}, **refused, **problems(404)},
            openapi_extra=documented_body(WithdrawalBody, "If-Match", required=False),
        )

    async def put(self, source: Source, external_id: ExternalId, request: Request) -> Response:
        """Create or revise the item: 201 created, 200 revised or unchanged."""
        key = await self._gate.admit(request, "items:write", source)
        body = await self._reader.read(ItemBody, await json_bytes(request))
        return _answer(await self._publisher.publish(source, external_id, body, sender(key, request)))

    async def post(self, request: Request) -> Response:
        """Create or revise the item that the body identifies; with an Idempotency-Key, once in 24 hours."""
        key = await self._gate.admit(request, "items:write")
        raw = await json_bytes(request)
        body = await self._reader.read(IdentifiedItemBody, raw)
        key.require_source(body.source)
        who = sender(key, request)

        async def publish() -> Answered:
            receipt = await self._publisher.publish(body.source, body.external_id, body, who)
            return Answered(_status(receipt), _content(receipt), f'"{receipt.revision}"')

        name = request.headers.get("idempotency-key")
        answered = await self._idempotency_keys.once(key.name, name, raw, publish) if name else await publish()
        return JSONResponse(answered.content, answered.status, headers={"ETag": answered.etag})

    async def validate(self, request: Request) -> Response:
        """Say what PUT would say: 200 and the receipt that it would give, or the same refusal."""
        key = await self._gate.admit(request, "items:write")
        body = await self._reader.read(IdentifiedItemBody, await json_bytes(request))
        key.require_source(body.source)
        receipt = await self._publisher.rehearse(body.source, body.external_id, body, sender(key, request))
        return JSONResponse(_content(receipt))

    async def delete(
        self, source: Source, external_id: ExternalId, request: Request, *, purge: bool = False
    ) -> Response:
        """Withdraw the item as the body says; with `purge`, erase it everywhere and leave an audited stub."""
        key = await self._gate.admit(request, "admin" if purge else "items:write", source)
        body = await small_body(WithdrawalBody, request)
        who = sender(key, request)
        if purge:
            erasure = await self._eraser.erase(source, external_id, who)
            return JSONResponse(erasure.model_dump(mode="json"), 200 if erasure.erased else 202)
        withdrawal = Withdrawal(mode=body.mode, to=body.to, notice=body.notice)
        return _answer(await self._publisher.withdraw(source, external_id, withdrawal, who))


def _answer(receipt: Receipt) -> JSONResponse:
    return JSONResponse(_content(receipt), _status(receipt), headers={"ETag": f'"{receipt.revision}"'})


def _status(receipt: Receipt) -> int:
    return 201 if receipt.changed and receipt.revision == 1 else 200


def _content(receipt: Receipt) -> dict[str, object]:
    return receipt.model_dump(mode="json", exclude={"scheduled"} if receipt.scheduled is None else None)
