"""Who did what to which item: the audit, newest first, for admins."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime
from redis.asyncio import Redis

from services.ingest.contract.answers import AuditAnswer, AuditedAct
from services.ingest.contract.item_body import Source
from services.ingest.contract.openapi import problems
from shared.http.auth import key_with
from shared.model.clock import to_ms
from shared.model.stream_id import StreamId
from shared.store import keys

_READ_AT_ONCE = 500
# A call reads at most this many acts. Where a filter drops most of them, the page is short and the next call goes on.
_MOST_READ = 5000


def audit_router(redis: Redis) -> APIRouter:
    """Return the route that reads the audit stream, in which every write of an item is noted."""
    router = APIRouter(prefix="/v1", tags=["audit"], dependencies=[Depends(key_with("admin"))])

    @router.get(
        "/audit",
        summary="List who did what to which item",
        response_model=AuditAnswer,
        responses=problems(401, 403, 422, 429, 503),
    )
    async def get(
        *,
        source: Source | None = None,
        actor: Annotated[str | None, Query(max_length=200, description="The name of a key.")] = None,
        since: Annotated[AwareDatetime | None, Query(description="ISO 8601 with an offset.")] = None,
        cursor: Annotated[
            str | None, Query(pattern=r"^[1-9]\d{0,15}-\d{1,16}$", description="`next` of an answer.")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Response:
        """Return acts, newest first; a page may hold fewer than `limit`, and `next` is null at the end only."""
        acts, read, following = list[AuditedAct](), 0, None
        async for entry, fields in _backwards(redis, cursor, since):
            read += 1
            if source in (None, fields["source"]) and actor in (None, fields["actor"]):
                acts.append(_act(entry, fields))
            if len(acts) == limit or read == _MOST_READ:
                following = entry
                break
        answer = AuditAnswer(acts=tuple(acts), next=following)
        return JSONResponse(answer.model_dump(mode="json"), headers={"Cache-Control": "private, no-store"})

    return router


async def _backwards(
    redis: Redis, before: str | None, since: datetime | None
) -> AsyncIterator[tuple[str, Mapping[str, str]]]:
    oldest = str(max(0, to_ms(since))) if since else "-"
    while True:
        newest = f"({before}" if before else "+"
        # Any: redis-py's type is the union of every reply that XREVRANGE may give.
        found: Any = await redis.xrevrange(keys.AUDIT, max=newest, min=oldest, count=_READ_AT_ONCE)
        for entry, fields in found:
            yield entry, fields
        if len(found) < _READ_AT_ONCE:
            return
        before = found[-1][0]


def _act(entry: str, fields: Mapping[str, str]) -> AuditedAct:
    return AuditedAct(
        at=StreamId.parse(entry).at,
        actor=fields["actor"],
        act=fields["act"],
        id=fields["item_id"],
        source=fields["source"],
        external_id=fields["external_id"],
        revision=int(fields["revision"]),
        trace_id=fields["trace_id"],
    )
