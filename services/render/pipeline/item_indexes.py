"""Which indexes an item enters and leaves when it is shown: the instructions that show_items.lua carries out."""

from collections.abc import Iterator
from datetime import datetime

from shared.model.clock import to_ms
from shared.model.listings import Listing, Placement
from shared.store import keys

Op = tuple[str | int, ...]
"""An instruction to show_items.lua, which explains them."""


class Indexes:
    """The keys that a script is given, each once, with the place where the script finds it."""

    def __init__(self, first_place: int) -> None:
        self._first_place = first_place
        self._places: dict[str, int] = {}

    def place(self, key: str) -> int:
        return self._places.setdefault(key, self._first_place + len(self._places))

    @property
    def keys(self) -> list[str]:
        return list(self._places)


def index_ops(before: Placement | None, after: Placement | None, indexes: Indexes) -> Iterator[Op]:
    """Yield what moves an item from the listings and months of `before` to those of `after`."""
    concerned = (before.listings if before else frozenset()) | (after.listings if after else frozenset())
    for listing in sorted(concerned):
        yield "touch", indexes.place(keys.listing(listing))
    for listing in sorted(before.listings if before else ()):
        if before is not None:
            yield from _leave(listing, before, after, indexes)
    for listing in sorted(after.listings if after else ()):
        if after is not None:
            yield from _enter(listing, before, after, indexes)


def _leave(listing: Listing, before: Placement, after: Placement | None, indexes: Indexes) -> Iterator[Op]:
    stays = after is not None and listing in after.listings
    record = indexes.place(keys.listing(listing))
    if not stays:
        yield "remove", indexes.place(keys.newest(listing))
        yield "remove", indexes.place(keys.released(listing))
    if not stays or after is None or before.months.published != after.months.published:
        month = before.months.published
        yield "unnumber", indexes.place(keys.archive_month(listing, month)), record, str(listing), "archive", month
    if not stays or after is None or before.months.released != after.months.released:
        month = before.months.released
        yield "unnumber", indexes.place(keys.feed_month(listing, month)), record, str(listing), "feed", month


def _enter(listing: Listing, before: Placement | None, after: Placement, indexes: Indexes) -> Iterator[Op]:
    was = before if before is not None and listing in before.listings else None
    record = indexes.place(keys.listing(listing))
    if was is None or was.published_at != after.published_at:
        yield "add", indexes.place(keys.newest(listing)), str(to_ms(after.published_at))
    if was is None or was.released_at != after.released_at:
        yield "add", indexes.place(keys.released(listing)), str(to_ms(after.released_at))
    if was is None or was.months.published != after.months.published:
        month = after.months.published
        yield "number", indexes.place(keys.archive_month(listing, month)), record, "archive", month
    if was is None or was.months.released != after.months.released:
        month = after.months.released
        yield "number", indexes.place(keys.feed_month(listing, month)), record, "feed", month


def tombstone_ops(
    before: Placement | None, after: Placement | None, withdrawn_at: datetime | None, indexes: Indexes
) -> Iterator[Op]:
    """Yield what makes feeds tell that an item was withdrawn from them, until it comes back."""
    had, has = (one.listings if one else frozenset() for one in (before, after))
    for listing in sorted(has - had):
        yield "remove", indexes.place(keys.tombstones(listing))
    if withdrawn_at is not None:
        for listing in sorted(had - has):
            yield "bury", indexes.place(keys.tombstones(listing)), str(to_ms(withdrawn_at))
