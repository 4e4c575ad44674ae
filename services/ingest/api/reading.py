"""The routes by which upstream systems look at their items: state, revisions, progress, previews."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import SecretStr

from services.ingest.api.request_body import small_body
from services.ingest.contract.answers import (
    ItemAnswer,
    PreviewLink,
    RevisionAnswer,
    RevisionsAnswer,
    SentItem,
    Timeline,
)
from services.ingest.contract.item_body import ExternalId, PreviewBody, Source
from services.ingest.contract.openapi import documented_body, problems
from services.ingest.publishing.publisher import Publisher
from services.ingest.publishing.timeline import Timelines
from shared.http.api_keys import ApiKey
from shared.http.auth import key_with
from shared.model.errors import NotFound, Unavailable
from shared.model.ids import item_id
from shared.model.items import Item, Revision
from shared.model.preview import Preview, preview_path
from shared.store.item_store import ItemStore

_ITEM = "/{source}/{external_id}"
_REFUSED = problems(401, 403, 404, 422, 429, 503)

Key = Annotated[ApiKey, Depends(key_with("items:read"))]


def reading_router(
    publisher: Publisher, store: ItemStore, timelines: Timelines, base_url: str, secrets_key: SecretStr | None
) -> APIRouter:
    """Return the routes that show an item, public or not, to a key that opens its source."""
    router = APIRouter(prefix="/v1/items", tags=["items"])

    @router.get(_ITEM, summary="Return an item at its newest revision", response_model=ItemAnswer, responses=_REFUSED)
    async def get(source: Source, external_id: ExternalId, key: Key) -> Response:
        """Return the item at its newest revision, for those who may see what is not public yet."""
        key.require_source(source)
        item, latest = await found_item(store, source, external_id)
        receipt = publisher.receipt(item, latest, changed=False)
        answer = ItemAnswer(
            **receipt.model_dump(exclude={"changed"}),
            accepted_at=latest.accepted_at,
            withdrawal=latest.withdrawal,
            item=SentItem.of(latest),
        )
        return _json(answer, item.latest)

    @router.get(
        f"{_ITEM}/revisions",
        summary="Return an item's revisions, newest first",
        response_model=RevisionsAnswer,
        responses=_REFUSED,
    )
    async def revisions(
        source: Source,
        external_id: ExternalId,
        key: Key,
        before: Annotated[int | None, Query(ge=1)] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> Response:
        """Return revisions of the item, newest first, below number `before`."""
        key.require_source(source)
        item, _ = await found_item(store, source, external_id)
        newest = min(item.latest, (before or item.latest + 1) - 1)
        numbers = range(newest, max(newest - limit, 0), -1)
        found = await store.revisions([(item.id, number) for number in numbers])
        listed = tuple(
            RevisionAnswer.of(revision, public=revision.number == item.public) for revision in found if revision
        )
        rest = newest - limit
        return _json(RevisionsAnswer(revisions=listed, next=rest + 1 if rest > 0 else None), item.latest)

    @router.get(
        f"{_ITEM}/status",
        summary="Say how far a revision of an item has come: its publication receipt",
        response_model=Timeline,
        responses=_REFUSED,
    )
    async def status(
        source: Source,
        external_id: ExternalId,
        key: Key,
        revision: Annotated[int | None, Query(ge=1, description="That of the newest event, unless given.")] = None,
    ) -> Response:
        """
        Say how far a revision has come: accepted, rendered, visible, announced, delivered to so many of so many.

        Without `revision` it is the one that made the item's newest event; `scheduled` names one that waits beside it.
        """
        key.require_source(source)
        item, latest = await found_item(store, source, external_id)
        number = revision or item.last_event or latest.number
        asked = latest if number == latest.number else (await store.revisions([(item.id, number)]))[0]
        if asked is None:
            raise NotFound(f'item "{source}/{external_id}" has no revision {number}')
        receipt = publisher.receipt(item, latest, changed=False)
        timeline = await timelines.of(item, asked, receipt)
        return JSONResponse(timeline.model_dump(mode="json"), headers={"Cache-Control": "private, no-store"})

    @router.post(
        f"{_ITEM}/preview",
        status_code=201,
        summary="Make a link that shows a revision before it is public",
        response_model=PreviewLink,
        responses=problems(400, 401, 403, 404, 413, 415, 422, 429, 503),
        openapi_extra=documented_body(PreviewBody, required=False),
    )
    async def preview(source: Source, external_id: ExternalId, request: Request, key: Key) -> Response:
        """Return a signed link to a revision, public or not, that expires."""
        key.require_source(source)
        body = await small_body(PreviewBody, request)
        if secrets_key is None:
            raise Unavailable("previews are signed with CLARION_SECRETS_KEY, which is not set")
        item, latest = await found_item(store, source, external_id)
        number = body.revision or latest.number
        if (await store.revisions([(item.id, number)]))[0] is None:
            raise NotFound(f'item "{source}/{external_id}" has no revision {number}')
        expires_at = await store.now() + timedelta(seconds=body.expires_in)
        url = base_url + preview_path(Preview(item.id, number, expires_at), secrets_key)
        link = PreviewLink(url=url, revision=number, expires_at=expires_at)
        return JSONResponse(link.model_dump(mode="json"), 201, headers={"Cache-Control": "no-store"})

    return router


async def found_item(store: ItemStore, source: str, external_id: str) -> tuple[Item, Revision]:
    """Return the item and its newest revision. Raises NotFound, also for an erased item."""
    found = await store.find(item_id(source, external_id))
    if found.item is None or found.latest is None:
        raise NotFound(f'there is no item "{source}/{external_id}"')
    return found.item, found.latest


def _json(answer: ItemAnswer | RevisionsAnswer, revision: int) -> JSONResponse:
    content = answer.model_dump(mode="json", exclude={"scheduled"} if not getattr(answer, "scheduled", None) else None)
    return JSONResponse(content, headers={"ETag": f'"{revision}"', "Cache-Control": "private, no-cache"})
