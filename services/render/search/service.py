"""Search: keep the index what the store says, and answer from both, so that nothing withdrawn is ever found."""

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from services.render.output.volume import Output
from services.render.pages.chunks import Pause
from services.render.pages.public_items import PublicItems
from services.render.search.index import Question, SearchIndex, state_of, text_of_item
from shared.model.errors import Unavailable
from shared.model.ids import ItemId
from shared.model.items import PublicItem

_READ_AT_ONCE = 50

_T = TypeVar("_T")


@dataclass(frozen=True)
class Found:
    """The matches on one page of results."""

    items: Sequence[PublicItem]
    has_more: bool


class Search:
    """The index beside the store."""

    def __init__(self, index: SearchIndex, public_items: PublicItems, output: Output) -> None:
        self._index = index
        self._public_items = public_items
        self._output = output

    async def refresh(self, ids: Collection[ItemId]) -> int:
        """Have the items in the index as readers see them, or not at all; return how many it had otherwise."""
        return await self._put(ids, lambda items: self._differ(self._index.states(ids), items, state_of))

    async def mend(self, ids: Collection[ItemId]) -> int:
        """Do the same, and trust nothing that the index says of itself: every word is compared."""
        return await self._put(ids, lambda items: self._differ(self._index.texts(ids), items, text_of_item))

    @staticmethod
    def _differ(
        has: Mapping[ItemId, _T], items: Mapping[ItemId, PublicItem], wants: Callable[[PublicItem], _T]
    ) -> set[ItemId]:
        wanted = {item_id: wants(item) for item_id, item in items.items()}
        return {item_id for item_id in has.keys() | wanted.keys() if has.get(item_id) != wanted.get(item_id)}

    async def _put(
        self, ids: Collection[ItemId], differ: Callable[[Mapping[ItemId, PublicItem]], Collection[ItemId]]
    ) -> int:
        # Read under the lock, so that the last to write has the freshest data.
        async with self._output.locked("lists", [".search"]):
            items = await self._public_items.by_id(ids)
            try:
                others = differ(items)
                with self._index.changing():
                    for item_id in others:
                        if item_id in items:
                            self._index.put(items[item_id])
                        else:
                            self._index.remove(item_id)
            except sqlite3.OperationalError as error:
                raise Unavailable(f"the search index cannot be written: {error}") from error
        return len(others)

    async def overwrite_removed(self) -> None:
        """Leave no word on disk of items that are no longer in the index. Raises Unavailable."""
        try:
            for _ in self._index.overwrite_removed():
                await asyncio.sleep(0)
        except sqlite3.OperationalError as error:
            raise Unavailable(f"the search index cannot be written: {error}") from error

    async def forget_strangers(self, pause: Pause) -> int:
        """Take out what readers cannot see, with a pause before each step; return how many it had."""
        forgotten, after = 0, ""
        while ids := self._index.ids(after, _READ_AT_ONCE):
            await pause()
            forgotten += await self.refresh(ids)
            after = ids[-1]
        return forgotten

    async def find(self, question: Question, limit: int, skip: int = 0) -> Found:
        """Return the newest items that match and that readers can see now."""
        ids = await asyncio.to_thread(self._index.find, question, limit + 1, skip)
        items = await self._public_items.by_id(ids[:limit])
        return Found([items[item_id] for item_id in ids[:limit] if item_id in items], len(ids) > limit)
