"""`POST /v1/items/batch`: streamed both ways, with memory for the lines in work and for short answers only."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from redis.exceptions import RedisError
from starlette.types import Receive, Scope, Send

from services.ingest.api.request_body import ItemReader, trace_id
from services.ingest.contract.openapi import Json, problems
from services.ingest.publishing.batch import LineAnswer, answers
from services.ingest.publishing.publisher import Publisher
from services.ingest.publishing.rules import Actor
from shared.http.api_keys import ApiKey
from shared.http.auth import key_with
from shared.model.errors import Unavailable, UnsupportedMediaType

MEDIA_TYPE = "application/x-ndjson"
_MEDIA_TYPES = {MEDIA_TYPE, "application/ndjson", "application/jsonl"}
_BODY: Json = {
    "required": True,
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/IdentifiedItemBody"}}},
}
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


def batch_router(publisher: Publisher, reader: ItemReader) -> APIRouter:
    """Return the route that takes many items in one request."""
    router = APIRouter(prefix="/v1/items", tags=["items"])

    @router.post(
        "/batch",
        summary="Create or revise up to 10,000 items, a line each",
        status_code=200,
        response_class=NdjsonExchange,
        responses={
            200: {"description": "A line for each line, in order", "content": {MEDIA_TYPE: {"schema": _ANSWER}}},
            **problems(401, 403, 415, 429, 503),
        },
        openapi_extra={"requestBody": _BODY},
    )
    async def batch(request: Request, key: Annotated[ApiKey, Depends(key_with("items:write"))]) -> Response:
        """Answer each line as soon as it and those before it are done; one bad line stops no other."""
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in _MEDIA_TYPES:
            raise UnsupportedMediaType(f"send {MEDIA_TYPE}, an item a line")
        actor = Actor(key.name, trace_id(request))

        async def take(line: bytes) -> LineAnswer:
            body = await reader.identified_item(line)
            key.require_source(body.source)
            receipt = await publisher.publish(body.source, body.external_id, body, actor)
            return LineAnswer(receipt.status, receipt.model_dump(include={"id", "revision", "url", "changed"}))

        return NdjsonExchange(answers(request.stream(), take, (RedisError, OSError, Unavailable)))

    return router


class NdjsonExchange(Response):
    """
    An answer that begins before the request has ended.

    Starlette's StreamingResponse reads from the client to notice a disconnect, and would swallow lines of the batch.
    """

    media_type = MEDIA_TYPE

    def __init__(self, answered: AsyncIterator[bytes] | None = None) -> None:
        super().__init__()
        self._answered = answered
        del self.headers["content-length"]

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send each line of the answer as soon as it is known."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if self._answered is not None:
            async for line in self._answered:
                await send({"type": "http.response.body", "body": line, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
