"""Where items stand in their months: the numbered places that archives, archived feeds and sitemaps are made of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from redis.asyncio import Redis

from services.render.pages.kinds import ARCHIVE_PLACES, MonthPlace, PlaceKind, block_of
from shared.model.events import LeftBlock
from shared.model.ids import ItemId
from shared.model.items import ItemMonths, LeftPlace, PublicItem
from shared.model.listings import Listing, Placement, placement_of
from shared.model.site_file import Site
from shared.store import keys

LastPlaces = Mapping[str, int]
"""The last number given out in each month (`yyyymm`)."""


@dataclass(frozen=True)
class Neighbours:
    """The blocks of a kind that stand beside one, each by its month and number; None at an end."""

    previous: tuple[str, int] | None
    following: tuple[str, int] | None


class Months:
    """Reads numbered places."""

    def __init__(self, redis: Redis, site: Site) -> None:
        self._redis = redis
        self._zone = site.zone

    async def places_of(self, items: Sequence[PublicItem]) -> Mapping[ItemId, frozenset[MonthPlace]]:
        """Return every place that each of the items has."""
        wanted = [(item.item.id, place) for item in items for place in self._unnumbered(item)]
        pipe = self._redis.pipeline(transaction=False)
        for item_id, place in wanted:
            pipe.zscore(month_key(place.listing, place.kind, place.month), item_id)
        numbers = await pipe.execute() if wanted else []
        found: dict[ItemId, set[MonthPlace]] = {item.item.id: set() for item in items}
        for (item_id, place), number in zip(wanted, numbers, strict=True):
            if number is not None:
                found[item_id].add(replace(place, number=int(number)))
        return {item_id: frozenset(places) for item_id, places in found.items()}

    def _unnumbered(self, item: PublicItem) -> Sequence[MonthPlace]:
        placement = placement_of(item.revision, item.released_at, self._zone)
        return month_places(placement, item.item.months) if placement is not None else ()

    async def last(self, listing: Listing, kind: PlaceKind) -> LastPlaces:
        """Return the last number of each month, in the order of months."""
        return last_of(await self._redis.hgetall(keys.listing(listing)), kind)

    async def beside_new(self, places: Iterable[MonthPlace]) -> frozenset[MonthPlace]:
        """
        Return places in the feed archives beside the documents that one of the given places began.

        The first place of a block makes a document, and those before and after it must link to it.
        """
        begun = [place for place in places if place.kind == "feed" and place.number % ARCHIVE_PLACES == 1]
        beside: set[MonthPlace] = set()
        for place in begun:
            block = block_of(place.number, ARCHIVE_PLACES)
            found = neighbours(await self.last(place.listing, "feed"), place.month, block)
            for month, number in filter(None, (found.previous, found.following)):
                beside.add(MonthPlace(place.listing, "feed", month, number * ARCHIVE_PLACES))
        return frozenset(beside)


def month_places(placement: Placement, months: ItemMonths | None = None) -> Sequence[MonthPlace]:
    """Return the places of a placement with their numbers left open (0), under the months that the item keeps."""
    months = months or placement.months
    kinds: tuple[tuple[PlaceKind, str], ...] = (("archive", months.published), ("feed", months.released))
    return [MonthPlace(listing, kind, month, 0) for listing in sorted(placement.listings) for kind, month in kinds]


def month_key(listing: Listing, kind: PlaceKind, month: str) -> str:
    """Return the key of the sorted set that numbers a month's items."""
    return keys.archive_month(listing, month) if kind == "archive" else keys.feed_month(listing, month)


def last_of(
    record: Mapping[Any, Any],
    kind: PlaceKind | Literal["count"],  # Any: redis-py's mapping of text
) -> LastPlaces:
    """Return the last number of each month from a listing's hash, or the count of items, in the order of months."""
    prefix = f"{kind}:"
    names = sorted(name for name in record if name.startswith(prefix))
    return {name.removeprefix(prefix): int(record[name]) for name in names}


def neighbours(last: LastPlaces, month: str, number: int) -> Neighbours:
    """Return which blocks stand before and after a block, months without any passed over."""
    earlier = [other for other in last if other < month]
    later = [other for other in last if other > month]
    previous = (month, number - 1) if number > 1 else None
    if previous is None and earlier:
        previous = (earlier[-1], block_of(last[earlier[-1]], ARCHIVE_PLACES))
    following = (month, number + 1) if number < block_of(last.get(month, 1), ARCHIVE_PLACES) else None
    if following is None and later:
        following = (later[0], 1)
    return Neighbours(previous, following)


def places_left(left: Iterable[LeftBlock | LeftPlace]) -> Iterable[MonthPlace]:
    """Yield the places that an item has given up, as the store or an event tells of them."""
    for one in left:
        yield MonthPlace(Listing.parse(one.listing), one.kind, one.month, one.number)
