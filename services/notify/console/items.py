"""Items at the console: those that were acted on last, and one of them with its whole way."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis

from services.notify.console.item_timeline import Way, WayReader
from services.notify.console.rendering import View
from shared.model.clock import from_ms
from shared.model.errors import NotFound
from shared.model.ids import ItemId, item_id
from shared.model.items import Item, Revision
from shared.store import keys
from shared.store.item_store import ItemStore

_SHOWN = 50
_ACTS_READ = 200
_REVISIONS_SHOWN = 20


@dataclass(frozen=True)
class Act:
    """What somebody did to an item, as the audit stream keeps it."""

    place: str
    at: datetime
    actor: str
    act: str
    item: ItemId


@dataclass(frozen=True)
class Row:
    """An item in a list, with the last act on it."""

    item: Item
    title: str
    lang: str
    last: Act


class Items:
    """Reads what the pages about items show."""

    def __init__(self, redis: Redis, way: WayReader) -> None:
        self._redis = redis
        self._store = ItemStore(redis)
        self._way = way

    async def newest(self, before: str | None, asked: str = "") -> View:
        """Return the list of items by the last act on each; `asked` is what was looked for in vain."""
        acts = await self._acts(before)
        last: dict[ItemId, Act] = {}
        for act in acts:
            if len(last) < _SHOWN:
                last.setdefault(act.item, act)
        is_full = len(last) == _SHOWN or len(acts) == _ACTS_READ
        # The list goes on behind the last act that it took in, so that none is left out.
        end = min((act.place for act in last.values()), default="", key=_position) if len(last) == _SHOWN else ""
        end = end or (acts[-1].place if acts else "")
        rows = await self._rows(last)
        values = {"rows": rows, "next": end if is_full else None, "before": before, "asked": asked}
        return View("items", "items", "Items", values)

    async def _acts(self, before: str | None) -> Sequence[Act]:
        newest = f"({before}" if before else "+"
        entries: Any = await self._redis.xrevrange(keys.AUDIT, max=newest, count=_ACTS_READ)  # Any: redis-py's entries
        return [
            Act(place, _moment(place), fields["actor"], fields["act"], ItemId(fields["item_id"]))
            for place, fields in entries
        ]

    async def _rows(self, last: dict[ItemId, Act]) -> Sequence[Row]:
        items = [item for item in await self._store.get_many(list(last)) if item is not None]
        revisions = await self._store.revisions([(item.id, item.latest) for item in items])
        return [
            Row(item, revision.title if revision else "", revision.lang if revision else "", last[item.id])
            for item, revision in zip(items, revisions, strict=True)
        ]

    async def find(self, asked: str) -> Item | None:
        """Return the item that was asked for by id, by event, by `source/external id`, or by address."""
        path = urlsplit(asked).path
        source, _, external_id = asked.partition("/")
        owner = (await self._store.owners([path.rstrip("/") + "/"]))[0]
        candidates = [ItemId(asked), ItemId(asked.partition("-")[0]), item_id(source, external_id)]
        candidates += [owner] if owner else []
        return next((item for item in await self._store.get_many(candidates) if item is not None), None)

    async def one(self, source: str, external_id: str) -> View:
        """Return the page of an item. Raises NotFound."""
        item = await self._store.get(item_id(source, external_id))
        if item is None:
            raise NotFound(f'there is no item "{source}/{external_id}"')
        numbers = range(item.latest, max(item.latest - _REVISIONS_SHOWN, 0), -1)
        found = await self._store.revisions([(item.id, number) for number in numbers])
        revisions = [revision for revision in found if revision is not None]
        values = {
            "item": item,
            "latest": revisions[0] if revisions else None,
            "public": next((one for one in revisions if one.number == item.public), None),
            "revisions": revisions,
            "way": await self._way_of(item, revisions),
        }
        return View("item", "items", revisions[0].title or "An erased item" if revisions else "An erased item", values)

    async def _way_of(self, item: Item, revisions: Sequence[Revision]) -> Way | None:
        event = next((one for one in revisions if one.number == item.last_event), None)
        return await self._way.of(item, event) if event is not None else None


def _moment(place: str) -> datetime:
    return from_ms(_position(place)[0])


def _position(place: str) -> tuple[int, int]:
    milliseconds, _, sequence = place.partition("-")
    return int(milliseconds), int(sequence)
