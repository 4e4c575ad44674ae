"""`POST /v1/items/batch`: streamed both ways, with memory for the lines in work and for short answers only."""

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from redis.exceptions import RedisError
from starlette.types import Receive, Scope, Send

from services.ingest.api.authentication import Gate
from services.ingest.api.item_reader import ItemReader
from services.ingest.api.request_body import trace_id
from services.ingest.contract.item_body import IdentifiedItemBody
from services.ingest.contract.openapi import Json, problems
from services.ingest.publishing.batch import Done, answers
from services.ingest.publishing.publisher import Publisher
from services.ingest.publishing.rules import Sender
from shared.http.auth import ApiKey
from shared.model.errors import Unavailable, UnsupportedMediaType

MEDIA_TYPE = "application/x-ndjson"
_MEDIA_TYPES = {MEDIA_TYPE, "application/ndjson", "application/jsonl"}
_ANSWER: Json = {
    "type": "object",
    "title": "BatchLine",
    "description": "What came of one line: as for POST, or the problem that it is.",
    "required": ["line", "status"],
    "properties": {
        "line": {"type": "integer"},
        "status": {"type": "integer"},
        "id": {"type": "string"},
        "revision": {"type": "integer"},
        "url": {"type": "string"},
        "changed": {"type": "boolean"},
        "problem": {"$ref": "#/components/schemas/Problem"},
    },
}


class BatchApi:
    """Takes many items in one request."""

    def __init__(self, publisher: Publisher, reader: ItemReader, gate: Gate) -> None:
        self._publisher = publisher
        self._reader = reader
        self._gate = gate
        self.router = APIRouter(prefix="/v1/items", tags=["items"])
        one_line = {"schema": {"$ref": "#/components/schemas/IdentifiedItemBody"}}
        self.router.add_api_route(
            "/batch",
            self.batch,
            methods=["POST"],
            summary="Create or revise up to 10,000 items, a line each",
            status_code=200,
            response_class=NdjsonExchange,
            responses={
                200: {"description": "A line for each line, in order", "content": {MEDIA_TYPE: {"schema": _ANSWER}}},
                **problems(401, 403, 415, 429, 503),
            },
            openapi_extra={"requestBody": {"required": True, "content": {MEDIA_TYPE: one_line}}},
        )

    async def batch(self, request: Request) -> Response:
        """Answer each line as soon as it and those before it are done; one bad line stops no other."""
        key = await self._gate.admit(request, "items:write")
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in _MEDIA_TYPES:
            raise UnsupportedMediaType(f"send {MEDIA_TYPE}, an item a line")
        who = Sender(key.name, trace_id(request))

        async def take(line: bytes) -> Done:
            return await self._take(line, key, who)

        return NdjsonExchange(answers(request.stream(), take, (RedisError, OSError, Unavailable)))

    async def _take(self, line: bytes, key: ApiKey, who: Sender) -> Done:
        body = await self._reader.read(IdentifiedItemBody, line)
        key.require_source(body.source)
        receipt = await self._publisher.publish(body.source, body.external_id, body, who)
        created = receipt.changed and receipt.revision == 1
        return Done(201 if created else 200, receipt.model_dump(include={"id", "revision", "url", "changed"}))


class NdjsonExchange(Response):
    """
    An answer that begins before the request has ended.

    Starlette's own streaming answer listens for the client to go away, and would eat what the client still sends.
    """

    media_type = MEDIA_TYPE

    def __init__(self, answered: AsyncIterator[bytes] | None = None) -> None:
        super().__init__()
        self._answered = answered
        del self.headers["content-length"]

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send each line when it is there."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if self._answered is not None:
            async for line in self._answered:
                await send({"type": "http.response.body", "body": line, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
