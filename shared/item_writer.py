"""Write a revision of an item with everything that follows from it, as one step of the store."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from redis.asyncio import Redis

from shared import keys
from shared.clock import iso, to_ms
from shared.events import ItemEventType
from shared.ids import ItemId, event_id
from shared.items import Item, Revision, UpdateType
from shared.listings import Listing, Placement
from shared.lua import load_script

WriteStatus = Literal["written", "moved", "path", "translation"]
Op = tuple[str | int, ...]


@dataclass(frozen=True)
class TranslationSlot:
    """The place of a language in a translation set."""

    name: str
    lang: str


@dataclass(frozen=True)
class NewEvent:
    """The event that a write makes; its revision and its place in the item's chain come with the item."""

    type: ItemEventType
    update_type: UpdateType
    occurred_at: datetime
    trace_id: str
    previous: int


@dataclass(frozen=True)
class Write:
    """
    One step of an item: `after` is the item once it is written, `expected` the newest revision the writer saw.

    `placement_before` and `placement_after` are where readers found it and will find it; their difference is all that
    the indexes see.
    """

    write_id: str
    expected: int
    after: Item
    revision: Revision | None
    event: NewEvent | None
    placement_before: Placement | None = None
    placement_after: Placement | None = None
    path: str | None = None
    enter: TranslationSlot | None = None
    leave: TranslationSlot | None = None


class ItemWriter:
    """The only hand that changes items."""

    def __init__(self, redis: Redis) -> None:
        self._script = load_script(redis, "shared", "write_item.lua")

    async def write(self, write: Write) -> WriteStatus:
        """Do it all, or nothing and say why; a write that was sent before is not done again."""
        item_id = write.after.id
        indexes = _Indexes(first_place=8)
        ops = list(_index_ops(write.placement_before, write.placement_after, indexes))
        item_key = keys.item(item_id)
        status, _ = await self._script(
            keys=[
                item_key,
                keys.revisions(item_id),
                keys.PATHS,
                keys.SCHEDULED,
                keys.ITEMS_STREAM,
                # A script's keys cannot be left out: the item's own stands in for a set that is not touched.
                keys.translation_set(write.enter.name) if write.enter else item_key,
                keys.translation_set(write.leave.name) if write.leave else item_key,
                *indexes.keys,
            ],
            args=[json.dumps(_spelled(write, ops), ensure_ascii=False)],
        )
        known: dict[str, WriteStatus] = {
            "written": "written",
            "moved": "moved",
            "path": "path",
            "translation": "translation",
        }
        return known[status]


def _spelled(write: Write, ops: list[Op]) -> Mapping[str, object]:
    after = write.after
    spelled: dict[str, object] = {
        "item_id": after.id,
        "write_id": write.write_id,
        "expected": write.expected,
        "fields": [part for pair in fields_of(after).items() for part in pair],
        "event": _event_fields(after.id, write.event, after.last_event),
        "ops": ops,
    }
    if write.revision is not None:
        spelled["number"] = str(write.revision.number)
        spelled["document"] = write.revision.model_dump_json(exclude_defaults=True)
    if write.path is not None:
        spelled["path"] = write.path
    if write.enter is not None:
        spelled["enter"] = write.enter.lang
    if write.leave is not None:
        spelled["leave"] = write.leave.lang
    if after.publish_at is not None:
        spelled["publish_at"] = str(to_ms(after.publish_at))
    return spelled


def fields_of(item: Item) -> dict[str, str]:
    """Return the item as the fields of its hash; `announced` is the announcement's own."""
    return {
        "source": item.source,
        "external_id": item.external_id,
        "state": item.state,
        "latest": str(item.latest),
        "public": str(item.public),
        "content_sha256": item.content_sha256,
        "path": item.path or "",
        "accepted_at": str(to_ms(item.accepted_at)),
        "released_at": str(to_ms(item.released_at)) if item.released_at else "",
        "publish_at": str(to_ms(item.publish_at)) if item.publish_at else "",
        "last_event": str(item.last_event),
    }


def _event_fields(item_id: ItemId, event: NewEvent | None, revision: int) -> list[str]:
    if event is None:
        return []
    fields = {
        "id": event_id(item_id, revision),
        "type": event.type,
        "occurred_at": iso(event.occurred_at),
        "trace_id": event.trace_id,
        "item_id": item_id,
        "revision": str(revision),
        "previous": str(event.previous),
        "update_type": event.update_type,
    }
    return [part for pair in fields.items() for part in pair]


class _Indexes:
    """The keys a script is given, each once, by the place where it finds them."""

    def __init__(self, first_place: int) -> None:
        self._first_place = first_place
        self._places: dict[str, int] = {}

    def place(self, key: str) -> int:
        return self._places.setdefault(key, self._first_place + len(self._places))

    @property
    def keys(self) -> list[str]:
        return list(self._places)


def _index_ops(before: Placement | None, after: Placement | None, indexes: _Indexes) -> Iterator[Op]:
    for listing in sorted(before.listings if before else ()):
        if before is not None:
            yield from _leave(listing, before, after, indexes)
    for listing in sorted(after.listings if after else ()):
        if after is not None:
            yield from _enter(listing, before, after, indexes)


def _leave(listing: Listing, before: Placement, after: Placement | None, indexes: _Indexes) -> Iterator[Op]:
    stays = after is not None and listing in after.listings
    if not stays:
        yield "remove", indexes.place(keys.newest(listing))
        yield "remove", indexes.place(keys.released(listing))
    if not stays or after is None or before.published_month != after.published_month:
        month = before.published_month
        yield "unnumber", indexes.place(keys.archive_month(listing, month)), str(listing), "archive", month
    if not stays or after is None or before.released_month != after.released_month:
        month = before.released_month
        yield "unnumber", indexes.place(keys.feed_month(listing, month)), str(listing), "feed", month


def _enter(listing: Listing, before: Placement | None, after: Placement, indexes: _Indexes) -> Iterator[Op]:
    was = before if before is not None and listing in before.listings else None
    months = indexes.place(keys.months(listing))
    if was is None or was.published_at != after.published_at:
        yield "add", indexes.place(keys.newest(listing)), str(to_ms(after.published_at))
    if was is None or was.released_at != after.released_at:
        yield "add", indexes.place(keys.released(listing)), str(to_ms(after.released_at))
    if was is None or was.published_month != after.published_month:
        month = after.published_month
        yield "number", indexes.place(keys.archive_month(listing, month)), months, f"archive:{month}"
    if was is None or was.released_month != after.released_month:
        month = after.released_month
        yield "number", indexes.place(keys.feed_month(listing, month)), months, f"feed:{month}"
