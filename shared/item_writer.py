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
from shared.ids import event_id
from shared.items import Item, Revision, UpdateType
from shared.listings import Listing, Placement, placement_of
from shared.lua import load_script
from shared.site_file import Site

WriteStatus = Literal["written", "moved", "path", "translation"]
_STATUSES: Mapping[str, WriteStatus] = {
    "written": "written",
    "moved": "moved",
    "path": "path",
    "translation": "translation",
}
Op = tuple[str | int, ...]


@dataclass(frozen=True)
class NewEvent:
    """The event that a write makes; its revision and its place in the item's chain come with the item."""

    type: ItemEventType
    update_type: UpdateType
    occurred_at: datetime
    trace_id: str


@dataclass(frozen=True)
class Write:
    """
    One step of an item: from `before`, which the writer saw and which must still stand, to `after`.

    `shown_before` and `shown_after` are the revisions that lists show, None for none: paths, indexes and translation
    sets follow from their difference. `revision` is kept under its number, `event` tells render.
    """

    write_id: str
    before: Item | None
    after: Item
    shown_before: Revision | None = None
    shown_after: Revision | None = None
    revision: Revision | None = None
    event: NewEvent | None = None


class ItemWriter:
    """The only hand that changes items."""

    def __init__(self, redis: Redis, site: Site) -> None:
        self._script = load_script(redis, "shared", "write_item.lua")
        self._site = site

    async def write(self, write: Write) -> WriteStatus:
        """Do it all, or nothing and say why; a write that was sent before is not done again."""
        item_id = write.after.id
        left, entered = _translation_slot(write.shown_before), _translation_slot(write.shown_after)
        if left == entered:
            left = entered = None
        indexes = _Indexes(first_place=8)
        ops = list(_index_ops(self._placement_before(write), self._placement_after(write), indexes))
        item_key = keys.item(item_id)
        # A script's keys cannot be left out: the item's own stands in for a translation set that is not touched.
        status, _ = await self._script(
            keys=[
                item_key,
                keys.revisions(item_id),
                keys.PATHS,
                keys.SCHEDULED,
                keys.ITEMS_STREAM,
                keys.translation_set(entered[0]) if entered else item_key,
                keys.translation_set(left[0]) if left else item_key,
                *indexes.keys,
            ],
            args=[json.dumps(_spelled(write, left, entered, ops), ensure_ascii=False)],
        )
        return _STATUSES[status]

    def _placement_before(self, write: Write) -> Placement | None:
        if write.before is None or write.before.released_at is None or write.shown_before is None:
            return None
        return placement_of(write.shown_before, write.before.released_at, self._site)

    def _placement_after(self, write: Write) -> Placement | None:
        if write.after.released_at is None or write.shown_after is None:
            return None
        return placement_of(write.shown_after, write.after.released_at, self._site)


_TranslationSlot = tuple[str, str]
"""A translation set and a language in it."""


def _translation_slot(revision: Revision | None) -> _TranslationSlot | None:
    if revision is None or revision.translation_set is None:
        return None
    return revision.translation_set, revision.lang


def _spelled(
    write: Write, left: _TranslationSlot | None, entered: _TranslationSlot | None, ops: list[Op]
) -> Mapping[str, object]:
    after = write.after
    spelled: dict[str, object] = {
        "item_id": after.id,
        "write_id": write.write_id,
        "expected": _standing(write.before),
        "fields": [part for pair in fields_of(after).items() for part in pair],
        "event": _event_fields(write),
        "ops": ops,
    }
    if write.revision is not None:
        spelled["number"] = str(write.revision.number)
        spelled["document"] = write.revision.model_dump_json(exclude_defaults=True)
    if write.shown_after is not None:
        spelled["path"] = write.shown_after.path
    if entered is not None:
        spelled["enter"] = entered[1]
    if left is not None:
        spelled["leave"] = left[1]
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
        "unrenderable": str(item.unrenderable),
        "unrenderable_reason": item.unrenderable_reason,
    }


def _standing(item: Item | None) -> str:
    """Return what must not have changed meanwhile: the newest and the public revision and the state."""
    return f"{item.latest}:{item.public}:{item.state}" if item else ""


def _event_fields(write: Write) -> list[str]:
    event, before, after = write.event, write.before, write.after
    if event is None:
        return []
    fields = {
        "id": event_id(after.id, after.public),
        "type": event.type,
        "occurred_at": iso(event.occurred_at),
        "trace_id": event.trace_id,
        "item_id": after.id,
        "revision": str(after.public),
        "before": str(before.public if before else 0),
        "previous": str(before.last_event if before else 0),
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
    concerned = (before.listings if before else frozenset()) | (after.listings if after else frozenset())
    for listing in sorted(concerned):
        yield "touch", indexes.place(keys.listing(listing))
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
    record = indexes.place(keys.listing(listing))
    if was is None or was.published_at != after.published_at:
        yield "add", indexes.place(keys.newest(listing)), str(to_ms(after.published_at))
    if was is None or was.released_at != after.released_at:
        yield "add", indexes.place(keys.released(listing)), str(to_ms(after.released_at))
    if was is None or was.published_month != after.published_month:
        month = after.published_month
        yield "number", indexes.place(keys.archive_month(listing, month)), record, f"archive:{month}"
    if was is None or was.released_month != after.released_month:
        month = after.released_month
        yield "number", indexes.place(keys.feed_month(listing, month)), record, f"feed:{month}"
