"""
Bring a store from layout 1 into layout 2, beside publishing: `clarion migrate`.

In layout 2 every item keeps the revision that readers see and its months, and every listing counts its months' items.
Services of this release read both kinds. What is in the new layout already is passed over, so an interrupted migration
goes on where it stopped. The number is written last.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from redis.asyncio import Redis

from shared.model.ids import ItemId
from shared.model.items import Item, Revision
from shared.model.listings import placement_of
from shared.store import keys
from shared.store.item_store import ItemStore
from shared.store.layout.number import NEWEST_LAYOUT, require_known_layout
from shared.store.rebuild_request import request_rebuild
from shared.store.scripts import Script, ScriptCall, run_scripts

# A script that reads so many takes a millisecond of the store's time, and publishing waits for no more.
_AT_ONCE = 200
_FIELDS = ("shown", "vacated", "months", "state")

OnMigrated = Callable[[int], None]


class Migration:
    """Brings the items and the listings into the new layout."""

    def __init__(self, redis: Redis, zone: ZoneInfo) -> None:
        """`zone` is that of the site file under which the items were numbered."""
        self._redis = redis
        self._zone = zone
        self._store = ItemStore(redis)
        self._read = Script(redis, "shared.store.item_store", "read_items.lua")
        self._migrate_item = Script(redis, __name__, "migrate_item.lua")
        self._count_months = Script(redis, __name__, "count_months.lua")

    async def run(self, on_migrated: OnMigrated = lambda _: None) -> bool:
        """
        Migrate the store; return False where that was done before. Raises NewerStore, RedisError.

        `on_migrated` is told how many more items and listings have been looked at. At last render is asked to write the
        site anew, because replicas of both releases may have written pages side by side.
        """
        if await require_known_layout(self._redis) == NEWEST_LAYOUT:
            return False
        while await self._migrate_items(on_migrated):
            pass  # an item that was written meanwhile is looked at again
        async for name in self._redis.scan_iter(keys.listing_pattern(), count=_AT_ONCE):
            await self._count(str(name))
            on_migrated(1)
        await self._redis.set(keys.FORMAT, NEWEST_LAYOUT)
        await request_rebuild(self._redis, "clarion migrate")
        return True

    async def _migrate_items(self, on_migrated: OnMigrated) -> int:
        """Look at every item once; return how many have moved on meanwhile."""
        moved = 0
        async for ids in self._ids():
            old = await self._of_layout_1(ids)
            calls = await self._calls(old)
            moved += (await run_scripts(self._redis, calls)).count(0) if calls else 0
            on_migrated(len(ids))
        return moved

    async def _ids(self) -> AsyncIterator[Sequence[ItemId]]:
        prefix, ids = keys.item(ItemId("")), list[ItemId]()
        async for name in self._redis.scan_iter(f"{prefix}*", count=_AT_ONCE):
            ids.append(ItemId(str(name).removeprefix(prefix)))
            if len(ids) == _AT_ONCE:
                yield ids
                ids = []
        if ids:
            yield ids

    async def _of_layout_1(self, ids: Sequence[ItemId]) -> Sequence[ItemId]:
        rows: list[list[str | None]] = await self._read([keys.item(item_id) for item_id in ids], {"fields": _FIELDS})
        return [
            item_id
            for item_id, (shown, vacated, months, state) in zip(ids, rows, strict=True)
            if shown is None or vacated is not None or (months is None and state == "published" and shown != "0")
        ]

    async def _calls(self, ids: Sequence[ItemId]) -> Sequence[ScriptCall]:
        items = [item for item in await self._store.get_many(ids) if item is not None]
        shown = await self._store.revisions([(item.id, item.shown) for item in items])
        return [
            ScriptCall(
                self._migrate_item,
                [keys.item(item.id), keys.UNSHOWN],
                {"item_id": item.id, "expected": str(item.shown), **self._months(item, revision)},
            )
            for item, revision in zip(items, shown, strict=True)
        ]

    def _months(self, item: Item, revision: Revision | None) -> Mapping[str, str]:
        if revision is None or item.released_at is None:
            return {}
        placement = placement_of(revision, item.released_at, self._zone)
        return {"months": f"{placement.months.published} {placement.months.released}"} if placement else {}

    async def _count(self, record: str) -> None:
        listing = keys.listing_of(record)
        fields: Any = await self._redis.hkeys(record)  # Any: redis-py's reply is a union
        months = [str(field).removeprefix("archive:") for field in fields if str(field).startswith("archive:")]
        archives = [keys.archive_month(listing, month) for month in months]
        await self._count_months([record, *archives], {"months": months})
