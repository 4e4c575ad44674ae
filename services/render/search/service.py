"""
Search over the index and the store.

The index follows the store. Results are read from the store, so an item that was withdrawn is not found, even while the
index still has it.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from services.render.output.volume import Output
from services.render.pages.chunks import Pause
from services.render.search.index import IndexQuery, SearchIndex, row_of, version_of
from shared.model.errors import Unavailable
from shared.model.ids import ItemId
from shared.model.items import PublicItem
from shared.store.public_items import PublicItems

_READ_AT_ONCE = 50

_T = TypeVar("_T")


@dataclass(frozen=True)
class Matches:
    """The items on one page of results."""

    items: Sequence[PublicItem]
    has_more: bool


class Search:
    """Keeps the index up to date, and searches it."""

    def __init__(self, index: SearchIndex, public_items: PublicItems, output: Output) -> None:
        self._index = index
        self._public_items = public_items
        self._output = output

    async def refresh(self, ids: Collection[ItemId]) -> int:
        """
        Make the index agree with what readers see of the items; return how many rows were wrong.

        Rows are compared by their versions.
        """
        return await self._update(ids, lambda items: _differing(self._index.versions(ids), items, version_of))

    async def repair(self, ids: Collection[ItemId]) -> int:
        """Do the same as `refresh`, but compare every word: the index may be damaged."""
        return await self._update(ids, lambda items: _differing(self._index.rows(ids), items, row_of))

    async def _update(
        self,
        ids: Collection[ItemId],
        find_differing: Callable[[Mapping[ItemId, PublicItem]], Collection[ItemId]],
    ) -> int:
        # The items are read while the lock is held, so that the last writer has the newest data.
        async with self._output.locked("lists", [".search"]):
            items = await self._public_items.by_id(ids)
            with _unavailable_when_busy():
                differing = find_differing(items)
                with self._index.transaction():
                    for item_id in differing:
                        if item_id in items:
                            self._index.put(items[item_id])
                        else:
                            self._index.remove(item_id)
        return len(differing)

    async def overwrite_removed(self) -> None:
        """Overwrite the words of removed items on the disk. Raises Unavailable."""
        with _unavailable_when_busy():
            for _ in self._index.overwrite_removed():
                await asyncio.sleep(0)

    async def remove_unpublished(self, pause: Pause) -> int:
        """Remove the rows of items that readers cannot see; return how many. `pause` is awaited before each chunk."""
        removed, after = 0, ""
        while ids := self._index.ids(after, _READ_AT_ONCE):
            await pause()
            removed += await self.refresh(ids)
            after = ids[-1]
        return removed

    async def find(self, query: IndexQuery, limit: int, skip: int = 0) -> Matches:
        """Return the newest items that match and that readers can see now."""
        ids = await asyncio.to_thread(self._index.find, query, limit + 1, skip)
        items = await self._public_items.by_id(ids[:limit])
        return Matches([items[item_id] for item_id in ids[:limit] if item_id in items], len(ids) > limit)


def _differing(
    indexed: Mapping[ItemId, _T], items: Mapping[ItemId, PublicItem], wanted_of: Callable[[PublicItem], _T]
) -> set[ItemId]:
    wanted = {item_id: wanted_of(item) for item_id, item in items.items()}
    return {item_id for item_id in indexed.keys() | wanted.keys() if indexed.get(item_id) != wanted.get(item_id)}


@contextmanager
def _unavailable_when_busy() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise Unavailable(f"the search index cannot be written: {error}") from error
