"""Read items, their revisions and the indexes over them."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from redis.asyncio import Redis

from shared.model.clock import from_ms, store_now, to_ms
from shared.model.epochs import EventEpochs
from shared.model.ids import ItemId
from shared.model.items import Item, ItemMonths, LeftPage, LeftPlace, PublicItem, Revision, State
from shared.model.listings import Listing
from shared.store import keys
from shared.store.scripts import Script

_FIELDS = (
    "source",
    "external_id",
    "state",
    "latest",
    "public",
    "content_sha256",
    "path",
    "accepted_at",
    "released_at",
    "publish_at",
    "last_event",
    "announced",
    "unrenderable",
    "unrenderable_reason",
    "unrenderable_edition",
    "shown",
    "months",
    "left",
    "epochs",
    "vacated",
)
# A script that reads so many takes a millisecond or two of the store's time.
_READ_AT_ONCE = 500
_STATES: Mapping[str, State] = {"scheduled": "scheduled", "published": "published", "withdrawn": "withdrawn"}


@dataclass(frozen=True)
class ItemSnapshot:
    """An item as a writer needs to see it: its newest and its public revision, and the store's time at that moment."""

    now: datetime
    item: Item | None
    latest: Revision | None
    public: Revision | None
    epoch: int = 0
    """The store's: what an event that is made now carries."""


@dataclass(frozen=True)
class ListingPosition:
    """An item's position in a listing: by date (milliseconds), and among items of one date by id."""

    score: int
    item: ItemId


class ItemStore:
    """The items of the store."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._read_items = Script(redis, __name__, "read_items.lua")

    async def now(self) -> datetime:
        """Return the store's time."""
        return await store_now(self._redis)

    async def find(self, item_id: ItemId) -> ItemSnapshot:
        """Return the item with its newest and its public revision."""
        (now, epoch), item = await asyncio.gather(self._now_and_epoch(), self.get(item_id))
        if item is None:
            return ItemSnapshot(now, None, None, None, epoch)
        latest, public = await self.revisions([(item_id, item.latest), (item_id, item.public)])
        return ItemSnapshot(now, item, latest, public, epoch)

    async def _now_and_epoch(self) -> tuple[datetime, int]:
        pipe = self._redis.pipeline(transaction=False)
        pipe.time()
        pipe.hget(keys.HISTORY, "epoch")
        (seconds, microseconds), epoch = await pipe.execute()
        return from_ms(int(seconds) * 1000 + int(microseconds) // 1000), int(epoch or 0)

    async def is_being_erased(self, item_id: ItemId) -> bool:
        """Whether somebody has asked for the item's erasure, and it is not over."""
        return bool(await self._redis.hexists(keys.ERASURES, item_id))

    async def hold(self, item: Item) -> None:
        """Take a scheduled item out of the schedule, so that it is not looked at again and again."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.zadd(keys.HELD, {item.id: to_ms(item.publish_at or item.accepted_at)})
        pipe.zrem(keys.SCHEDULED, item.id)
        await pipe.execute()

    async def held(self) -> Sequence[tuple[Item, Revision]]:
        """Return the items that are held, with their newest revisions."""
        ids = [ItemId(str(member)) for member in await self._redis.zrange(keys.HELD, 0, -1)]
        items = [item for item in await self.get_many(ids) if item is not None]
        latest = await self.revisions([(item.id, item.latest) for item in items])
        return [(item, revision) for item, revision in zip(items, latest, strict=True) if revision is not None]

    async def let_go(self, item: Item) -> None:
        """Hold the item no longer; put it back into the schedule if its newest revision still waits."""
        pipe = self._redis.pipeline(transaction=True)
        if item.publish_at is not None:
            pipe.zadd(keys.SCHEDULED, {item.id: to_ms(item.publish_at)})
        pipe.zrem(keys.HELD, item.id)
        await pipe.execute()

    async def get(self, item_id: ItemId) -> Item | None:
        """Return the item, or None where there is none of this id."""
        return (await self.get_many([item_id]))[0]

    async def get_many(self, ids: Sequence[ItemId]) -> list[Item | None]:
        """Return the items, in the order asked for."""
        rows: list[list[str | None]] = []
        for start in range(0, len(ids), _READ_AT_ONCE):
            chunk = [keys.item(item_id) for item_id in ids[start : start + _READ_AT_ONCE]]
            rows += await self._read_items(chunk, {"fields": _FIELDS})
        return [_item(item_id, row) for item_id, row in zip(ids, rows, strict=True)]

    async def revisions(self, wanted: Sequence[tuple[ItemId, int]]) -> list[Revision | None]:
        """Return the revisions, in the order asked for; None where there is none of this number."""
        pipe = self._redis.pipeline(transaction=False)
        for item_id, number in wanted:
            pipe.hget(keys.revisions(item_id), str(number))
        rows = await pipe.execute() if wanted else []
        return [Revision.model_validate_json(row) if row else None for row in rows]

    async def newest_after(self, listing: Listing, after: ListingPosition | None, limit: int) -> list[ListingPosition]:
        """
        Return the places that follow `after`, newest first; from the top for None.

        What came in meanwhile moves nothing: the place is found again by its date, and among many of one date by rank.
        """
        key = keys.newest(listing)
        start = 0 if after is None else await self._rank_after(key, after)
        # Any: redis-py's type is the union of every reply that ZRANGE may give.
        found: Any = await self._redis.zrange(key, start, start + limit - 1, desc=True, withscores=True)
        return [ListingPosition(int(score), ItemId(member)) for member, score in found]

    async def _rank_after(self, key: str, place: ListingPosition) -> int:
        """Return how many members stand at or above the place, whether it is still taken or not."""
        above, rest = await asyncio.gather(
            self._redis.zcount(key, f"({place.score}", "+inf"), self._redis.zcount(key, place.score, place.score)
        )
        # Members of one score are ordered by name; these are at most the items of one moment, halved at each step.
        low, high = int(above), int(above) + int(rest)
        while low < high:
            middle = (low + high) // 2
            member = await self._redis.zrange(key, middle, middle, desc=True)
            if member and str(member[0]) >= place.item:
                low = middle + 1
            else:
                high = middle
        return low

    async def shown_revision(self, item_id: ItemId) -> PublicItem | None:
        """Return the item with the revision that readers see, a withdrawal included; None where they see none."""
        item = await self.get(item_id)
        return await self._at_revision(item, item.shown) if item is not None else None

    async def public_revision(self, item_id: ItemId) -> PublicItem | None:
        """Return the item with the revision that is decided to be public, shown or not; None where there is none."""
        item = await self.get(item_id)
        return await self._at_revision(item, item.public) if item is not None else None

    async def _at_revision(self, item: Item, number: int) -> PublicItem | None:
        revision = (await self.revisions([(item.id, number)]))[0] if number else None
        return PublicItem(item, revision) if revision else None

    async def has_stood_at(self, item: Item, path: str) -> bool:
        """Whether readers ever saw the item at a path of its: one that only a revision not shown yet has is unknown."""
        waiting = await self.revisions([(item.id, number) for number in range(item.shown + 1, item.public + 1)])
        if path not in {revision.path for revision in waiting if revision is not None}:
            return True
        earlier = await self.revisions([(item.id, number) for number in range(1, item.shown + 1)])
        return path in {revision.path for revision in earlier if revision is not None}

    async def translations(self, name: str) -> dict[str, ItemId]:
        """Return the public members of a translation set by language."""
        return (await self.translation_sets([name]))[name]

    async def translation_sets(self, names: Iterable[str]) -> dict[str, dict[str, ItemId]]:
        """Return the public members of several translation sets, each by language."""
        wanted = list(names)
        pipe = self._redis.pipeline(transaction=False)
        for name in wanted:
            pipe.hgetall(keys.translation_set(name))
        found = await pipe.execute() if wanted else []
        return {
            name: {str(lang): ItemId(str(member)) for lang, member in members.items()}
            for name, members in zip(wanted, found, strict=True)
        }

    async def owners(self, paths: Sequence[str]) -> list[ItemId | None]:
        """Return which item each path belongs to, or once did: an old path stays its item's for the redirect."""
        found = await self._redis.hmget(keys.PATHS, list(paths))
        return [ItemId(str(owner)) if owner else None for owner in found]


def _item(item_id: ItemId, row: Sequence[str | None]) -> Item | None:
    values = dict(zip(_FIELDS, row, strict=True))
    if values["latest"] is None:
        return None
    public, announced = int(values["public"] or 0), int(values["announced"] or 0)
    # Release 0.1 shows what it accepts. prelude.lua has the same rule as `shown_of`.
    shown = public if values["shown"] is None else int(values["shown"])
    is_behind = values["vacated"] is not None and shown != public and announced >= public
    left_pages, left_places = left_behind(None if is_behind else values["left"])
    return Item(
        id=item_id,
        source=values["source"] or "",
        external_id=values["external_id"] or "",
        state=_STATES[values["state"] or ""],
        latest=int(values["latest"]),
        public=public,
        content_sha256=values["content_sha256"] or "",
        path=values["path"] or None,
        accepted_at=from_ms(int(values["accepted_at"] or 0)),
        released_at=_moment(values["released_at"]),
        publish_at=_moment(values["publish_at"]),
        last_event=int(values["last_event"] or 0),
        announced=announced,
        unrenderable=int(values["unrenderable"] or 0),
        unrenderable_reason=values["unrenderable_reason"] or "",
        unrenderable_edition=int(values["unrenderable_edition"] or 0),
        shown=public if is_behind else shown,
        months=ItemMonths(*values["months"].split()) if values["months"] and not is_behind else None,
        left_pages=left_pages,
        left_places=left_places,
        epochs=EventEpochs.parse(values["epochs"] or ""),
    )


def left_behind(spelled: str | None) -> tuple[tuple[LeftPage, ...], tuple[LeftPlace, ...]]:
    """Return what the `left` of an item spells: [by, path] and [by, listing, kind, month, number]."""
    left = json.loads(spelled) if spelled else ()
    pages = tuple(LeftPage(path, by) for by, path, *rest in left if not rest)
    return pages, tuple(LeftPlace(*place) for _, *place in left if place[1:])


def _moment(milliseconds: str | None) -> datetime | None:
    return from_ms(int(milliseconds)) if milliseconds else None
