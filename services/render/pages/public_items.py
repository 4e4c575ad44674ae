"""The items that readers see, read afresh every time; only what can never change, a revision, is remembered."""

from collections import OrderedDict
from collections.abc import Collection, Mapping
from datetime import datetime

from shared.model.ids import ItemId
from shared.model.items import Item, PublicItem, Revision
from shared.store.item_store import ItemStore

# A revision takes about three times its body's length in memory: some 100 MB when full.
_KEPT_CHARS = 32_000_000
_CHARS_BESIDE_BODY = 1_000

# An item that was erased and sent again begins at revision 1 again, but becomes public at another moment.
_Name = tuple[ItemId, int, str | None, datetime | None]


class PublicItems:
    """Reads items with their public revisions."""

    def __init__(self, store: ItemStore) -> None:
        self._store = store
        self._kept: OrderedDict[_Name, Revision] = OrderedDict()
        self._kept_chars = 0

    async def by_id(self, ids: Collection[ItemId], *, with_notices: bool = False) -> Mapping[ItemId, PublicItem]:
        """
        Return those of the items that readers can see (published).

        `with_notices` adds those withdrawn under a notice, whose page stays.
        """
        items = [item for item in await self._store.get_many(list(ids)) if item is not None and item.public]
        missing = [item for item in items if _name(item) not in self._kept]
        read = await self._store.revisions([(item.id, item.public) for item in missing])
        fresh = {item.id: revision for item, revision in zip(missing, read, strict=True)}
        found = {}
        for item in items:
            revision = fresh[item.id] if item.id in fresh else self._kept[_name(item)]
            if revision is not None:
                one = PublicItem(item, revision)
                if item.state == "published" or (with_notices and one.is_under_notice):
                    found[item.id] = one
        for item in items:
            self._keep(item, fresh.get(item.id))
        return found

    def _keep(self, item: Item, fresh: Revision | None) -> None:
        name = _name(item)
        if fresh is not None and name not in self._kept:
            self._kept[name] = fresh
            self._kept_chars += _chars(fresh)
        elif name in self._kept:
            self._kept.move_to_end(name)
        while self._kept_chars > _KEPT_CHARS:
            self._kept_chars -= _chars(self._kept.popitem(last=False)[1])


def _name(item: Item) -> _Name:
    return item.id, item.public, item.path, item.released_at


def _chars(revision: Revision) -> int:
    return len(revision.body) + _CHARS_BESIDE_BODY
