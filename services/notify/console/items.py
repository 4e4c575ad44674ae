"""Items at the console: the list, by the last act on each item, and the page of one item."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from fastapi import Depends
from redis.asyncio import Redis
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.notify.console.item_timeline import ItemTimelines
from services.notify.console.rendering import View
from services.notify.console.routes import HOME, ConsoleRoutes, place_in
from services.notify.console.sessions import Operator
from shared.model.errors import NotFound
from shared.model.ids import ItemId, LogId, item_id
from shared.model.items import Item
from shared.model.stream_id import StreamId
from shared.store import keys
from shared.store.item_store import ItemStore

_SHOWN = 50
_ACTS_READ = 200
_REVISIONS_SHOWN = 20


@dataclass(frozen=True)
class AuditLine:
    """One act on an item, as the audit stream keeps it."""

    place: LogId
    at: datetime
    actor: str
    act: str
    item: ItemId


@dataclass(frozen=True)
class ItemRow:
    """An item in the list, with the last act on it."""

    item: Item
    title: str
    lang: str
    last: AuditLine


def add_items(console: ConsoleRoutes, redis: Redis, timelines: ItemTimelines) -> None:
    """Declare the pages of items."""
    store = ItemStore(redis)

    @console.page("/items")
    async def newest(request: Request, _: Operator) -> View:
        return await _list(redis, store, place_in(request, "before"))

    @console.router.get("/items/find")
    async def find(request: Request, operator: Annotated[Operator, Depends(console.sessions.signed_in)]) -> Response:
        asked = request.query_params.get("q", "").strip()[:2048]
        item = await _find(store, asked) if asked else None
        if item is not None:
            return RedirectResponse(f"{HOME}/items/{item.source}/{quote(item.external_id)}", 303)
        return console.pages.page(await _list(redis, store, None, asked), operator, status=404 if asked else 200)

    @console.page("/items/{source}/{external_id}")
    async def one(request: Request, _: Operator) -> View:
        source, external_id = request.path_params["source"], request.path_params["external_id"]
        item = await store.get(item_id(source, external_id))
        if item is None:
            raise NotFound(f'there is no item "{source}/{external_id}"')
        numbers = range(item.latest, max(item.latest - _REVISIONS_SHOWN, 0), -1)
        found = await store.revisions([(item.id, number) for number in numbers])
        revisions = [revision for revision in found if revision is not None]
        by_number = {revision.number: revision for revision in revisions}
        last_event = by_number.get(item.last_event)
        values = {
            "item": item,
            "latest": revisions[0] if revisions else None,
            "public": by_number.get(item.public),
            "revisions": revisions,
            "timeline": await timelines.of(item, last_event) if last_event else None,
        }
        return View("item", "items", revisions[0].title or "An erased item" if revisions else "An erased item", values)


async def _list(redis: Redis, store: ItemStore, before: str | None, asked: str = "") -> View:
    """Return the list of items by the last act on each; `asked` is a search that found nothing."""
    acts = await _acts(redis, before)
    last: dict[ItemId, AuditLine] = {}
    for act in acts:
        if len(last) < _SHOWN:
            last.setdefault(act.item, act)
    is_full = len(last) == _SHOWN
    # A full page ends at its oldest act, so that the next page leaves no act out.
    end = min((act.place for act in last.values()), key=StreamId.parse) if is_full else acts[-1].place if acts else None
    values = {
        "rows": await _rows(store, last),
        "next": end if is_full or len(acts) == _ACTS_READ else None,
        "before": before,
        "asked": asked,
    }
    return View("items", "items", "Items", values)


async def _acts(redis: Redis, before: str | None) -> Sequence[AuditLine]:
    newest = f"({before}" if before else "+"
    entries: Any = await redis.xrevrange(keys.AUDIT, max=newest, count=_ACTS_READ)  # Any: redis-py's entries
    return [
        AuditLine(place, StreamId.parse(place).at, fields["actor"], fields["act"], ItemId(fields["item_id"]))
        for place, fields in entries
    ]


async def _rows(store: ItemStore, last: dict[ItemId, AuditLine]) -> Sequence[ItemRow]:
    items = [item for item in await store.get_many(list(last)) if item is not None]
    revisions = await store.revisions([(item.id, item.latest) for item in items])
    return [
        ItemRow(item, revision.title if revision else "", revision.lang if revision else "", last[item.id])
        for item, revision in zip(items, revisions, strict=True)
    ]


async def _find(store: ItemStore, asked: str) -> Item | None:
    """Return the item with this id, event id, `source/external id` or address."""
    path = urlsplit(asked).path
    source, _, external_id = asked.partition("/")
    owner = (await store.owners([path.rstrip("/") + "/"]))[0]
    candidates = [ItemId(asked), ItemId(asked.partition("-")[0]), item_id(source, external_id)]
    candidates += [owner] if owner else []
    return next((item for item in await store.get_many(candidates) if item is not None), None)
