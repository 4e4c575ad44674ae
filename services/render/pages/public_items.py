"""The items that readers see, read from the store every time. Only revisions are cached, because they never change."""

from collections import OrderedDict
from collections.abc import Collection, Mapping
from datetime import datetime

from shared.model.ids import ItemId
from shared.model.items import Item, PublicItem, Revision
from shared.store.item_store import ItemStore

# 100 MB when full: a revision takes about three times its body's length in memory.
_KEPT_CHARS = 32_000_000
_CHARS_BESIDE_BODY = 1_000

# An item that was erased and sent again starts at revision 1 again, but it becomes public at another moment.
_CacheKey = tuple[ItemId, int, str | None, datetime | None]


class PublicItems:
    """Reads items with their public revisions."""

    def __init__(self, store: ItemStore) -> None:
        self._store = store
        self._kept: OrderedDict[_CacheKey, Revision] = OrderedDict()
        self._kept_chars = 0

    async def by_id(self, ids: Collection[ItemId], *, with_notices: bool = False) -> Mapping[ItemId, PublicItem]:
        """
        Return those of the items that readers can see (published).

        `with_notices` adds those withdrawn under a notice, whose page stays.
        """
        items = [item for item in await self._store.get_many(list(ids)) if item is not None and item.public]
        missing = [item for item in items if _cache_key(item) not in self._kept]
        read = await self._store.revisions([(item.id, item.public) for item in missing])
        fresh = {item.id: revision for item, revision in zip(missing, read, strict=True)}
        found = {}
        for item in items:
            revision = fresh[item.id] if item.id in fresh else self._kept[_cache_key(item)]
            if revision is not None:
                one = PublicItem(item, revision)
                if one.has_page if with_notices else one.is_listed:
                    found[item.id] = one
        for item in items:
            self._keep(item, fresh.get(item.id))
        return found

    def _keep(self, item: Item, fresh: Revision | None) -> None:
        key = _cache_key(item)
        if fresh is not None and key not in self._kept:
            self._kept[key] = fresh
            self._kept_chars += _chars(fresh)
        elif key in self._kept:
            self._kept.move_to_end(key)
        while self._kept_chars > _KEPT_CHARS:
            self._kept_chars -= _chars(self._kept.popitem(last=False)[1])


def _cache_key(item: Item) -> _CacheKey:
    return item.id, item.public, item.path, item.released_at


def _chars(revision: Revision) -> int:
    return len(revision.body) + _CHARS_BESIDE_BODY
