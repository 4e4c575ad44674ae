"""The HTTP interface of upstream systems: `/v1/items`."""

from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter, ValidationError

from services.ingest.api_models import ExternalId, IdentifiedItemBody, ItemBody, Receipt, Source
from services.ingest.publishing import Publisher
from services.ingest.requests import if_match, json_bytes, refusal_of, trace_id
from shared.auth import KeyRing
from shared.errors import FieldError, Invalid, NotFound
from shared.ids import item_id
from shared.item_store import ItemStore
from shared.site_file import Site

Body = TypeVar("Body", bound=ItemBody)

_SOURCE: TypeAdapter[str] = TypeAdapter(Source)
_EXTERNAL_ID: TypeAdapter[str] = TypeAdapter(ExternalId)


def _documented(model: type[ItemBody]) -> dict[str, Any]:  # Any: OpenAPI's own shape
    """Describe a body that is read raw: FastAPI's own reading costs a quarter of the throughput."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


class ItemsApi:
    """The calls on items."""

    def __init__(self, publisher: Publisher, store: ItemStore, key_ring: KeyRing, site: Site) -> None:
        self._publisher = publisher
        self._store = store
        self._keys = key_ring
        self._site = site
        self.router = APIRouter(prefix="/v1/items", tags=["items"])
        self.router.add_api_route(
            "/{source}/{external_id}",
            self.put,
            methods=["PUT"],
            response_model=Receipt,
            responses={201: {"model": Receipt}},
            openapi_extra=_documented(ItemBody),
        )
        self.router.add_api_route(
            "",
            self.post,
            methods=["POST"],
            response_model=Receipt,
            responses={201: {"model": Receipt}},
            openapi_extra=_documented(IdentifiedItemBody),
        )
        self.router.add_api_route("/{source}/{external_id}", self.get, methods=["GET"])

    async def put(self, source: str, external_id: str, request: Request) -> Response:
        """Create or revise the item: 201 created, 200 revised or unchanged."""
        _check_identity(source, external_id)
        key = await self._keys.authenticate(request.headers.get("authorization"), "items:write")
        key.require_source(source)
        body = await self._read(ItemBody, request)
        return await self._publish(source, external_id, body, request)

    async def post(self, request: Request) -> Response:
        """Create or revise the item that the body identifies."""
        key = await self._keys.authenticate(request.headers.get("authorization"), "items:write")
        body = await self._read(IdentifiedItemBody, request)
        key.require_source(body.source)
        return await self._publish(body.source, body.external_id, body, request)

    async def get(self, source: str, external_id: str, request: Request) -> Response:
        """Return the item at its newest revision, for those who may see what is not public yet."""
        key = await self._keys.authenticate(request.headers.get("authorization"), "items:read")
        key.require_source(source)
        found = await self._store.find(item_id(source, external_id))
        if found.item is None or found.latest is None:
            raise NotFound(f'there is no item "{source}/{external_id}"')
        receipt = self._publisher.receipt(found.item, found.latest, changed=False)
        content = {
            **receipt.model_dump(mode="json", exclude={"changed"}, exclude_none=True),
            "item": found.latest.model_dump(mode="json"),
        }
        return _json(content, 200, found.item.latest)

    async def _publish(self, source: str, external_id: str, body: ItemBody, request: Request) -> Response:
        receipt = await self._publisher.publish(
            source, external_id, body, trace_id=trace_id(request), if_match=if_match(request)
        )
        created = receipt.changed and receipt.revision == 1
        content = receipt.model_dump(mode="json", exclude={"scheduled"} if receipt.scheduled is None else None)
        return _json(content, 201 if created else 200, receipt.revision)

    async def _read(self, model: type[Body], request: Request) -> Body:
        raw = await json_bytes(request)
        try:
            return model.model_validate_json(raw, context={"site": self._site, "now": await self._store.now()})
        except ValidationError as error:
            raise refusal_of(error) from error


def _check_identity(source: str, external_id: str) -> None:
    errors = []
    for name, adapter, value in (("source", _SOURCE, source), ("external_id", _EXTERNAL_ID, external_id)):
        try:
            adapter.validate_python(value)
        except ValidationError as error:
            errors.append(FieldError(f"/{name}", error.errors()[0]["msg"]))
    if errors:
        raise Invalid("the path names no possible item", errors=tuple(errors))


def _json(content: object, status: int, revision: int) -> JSONResponse:
    return JSONResponse(content, status, headers={"ETag": f'"{revision}"'})
