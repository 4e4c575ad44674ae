"""Read the items that readers see, by the rules of `PublicItem`: for lists, pages, search and the public API."""

from collections.abc import Collection, Mapping
from datetime import datetime

from shared.model.ids import ItemId
from shared.model.items import Item, PublicItem, Revision
from shared.runtime.lru import Lru
from shared.store.item_store import ItemStore

_CHARS_BESIDE_BODY = 1_000

# The moment when it was listed tells items of one id and number apart, should a store be replaced by another.
_CacheKey = tuple[ItemId, int, datetime | None]


class PublicItems:
    """
    Reads items with their public revisions. Only revisions are cached, because they never change.

    An item in a language that the site no longer has is not seen.
    """

    def __init__(self, store: ItemStore, languages: Collection[str], cached_chars: int = 0) -> None:
        """`cached_chars` bounds the cache by the lengths of the bodies; 0 for none."""
        self._store = store
        self._languages = languages
        self._cache: Lru[_CacheKey, Revision] = Lru(cached_chars, weigh=_chars)

    async def by_id(self, ids: Collection[ItemId], *, with_notices: bool = False) -> Mapping[ItemId, PublicItem]:
        """
        Return those of the items that lists show.

        `with_notices` adds those withdrawn under a notice, whose page stays.
        """
        items = [item for item in await self._store.get_many(list(ids)) if item is not None and item.shown]
        revisions = {item.id: self._cache.get(_cache_key(item)) for item in items}
        missing = [item for item in items if revisions[item.id] is None]
        read = await self._store.revisions([(item.id, item.shown) for item in missing])
        for item, revision in zip(missing, read, strict=True):
            if revision is not None:
                self._cache.put(_cache_key(item), revision)
                revisions[item.id] = revision
        found = [
            PublicItem(item, revision)
            for item in items
            if (revision := revisions[item.id]) is not None and revision.lang in self._languages
        ]
        return {one.item.id: one for one in found if (one.has_page if with_notices else one.is_listed)}

    def remember(self, item: PublicItem) -> None:
        """Keep a revision that was read elsewhere and that readers see by now."""
        self._cache.put(_cache_key(item.item), item.revision)


def _cache_key(item: Item) -> _CacheKey:
    return item.id, item.shown, item.released_at


def _chars(revision: Revision) -> int:
    return len(revision.body) + _CHARS_BESIDE_BODY
