"""
Bring pages up to date: make each file what the store says now.

Pages are made of shown revisions and of the indexes over them, so a list names only items whose pages are on the
volume. A page is read from the store while its lock is held, so that the last writer has the newest data.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from services.render.output.files import File, UnusableName, page_time_ns
from services.render.output.syncing import sync
from services.render.output.volume import Output
from services.render.output.written import Written
from services.render.pages.chunks import chunks_of
from services.render.pages.edition import Edition
from services.render.pages.edition_guard import EditionGuard
from services.render.pages.items import ItemPages, TranslatedItem
from services.render.pages.kinds import ItemAt, ListingPage, Page, Sitemap, SitemapLine, SitemapPart
from services.render.pages.list_reader import ListContent, ListReader
from services.render.pages.lists import ListPages
from services.render.pages.sitemaps import SitemapWriter
from shared.model.ids import ItemId
from shared.model.items import LeftPage, PublicItem

# 50 locks are held at once, each an open file. A batch of 100 events concerns a few hundred pages.
_AT_ONCE = 50


class FaultKeeper(Protocol):
    """Keeps in mind which shown revisions this edition cannot render: their pages stay as another edition made them."""

    async def cast_on_shown(self, item: PublicItem, fault: Exception) -> object:
        """Note that the item cannot be rendered."""

    async def lift(self, item: PublicItem) -> None:
        """Note that the item can be rendered again."""


class PageWriter:
    """Writes pages onto the output volume."""

    def __init__(
        self,
        edition: Edition,
        *,
        items: ItemPages,
        reader: ListReader,
        lists: ListPages,
        sitemaps: SitemapWriter,
        output: Output,
        faults: FaultKeeper,
    ) -> None:
        self._fingerprint = edition.record.fingerprint
        self._guard = EditionGuard(output, edition.record.mark)
        self._items = items
        self._reader = reader
        self._lists = lists
        self._sitemaps = sitemaps
        self._output = output
        self._faults = faults

    async def refresh(self, pages: Iterable[Page]) -> Written:
        """Bring the pages up to date: those of items, then lists; then remove pages at paths where no item stands."""
        written = Written()
        pages = list(pages)
        empty = await self.write_items([page.path for page in pages if isinstance(page, ItemAt)], written)
        await self.write_lists([page for page in pages if not isinstance(page, ItemAt)], written)
        await self.remove_strays(empty, written)
        return written

    def locked(self, paths: Iterable[str]) -> contextlib.AbstractAsyncContextManager[None]:
        """Hold the locks of item pages at these paths while the block runs. Raises EditionSuperseded."""
        return self._guard.locked("items", paths)

    async def write_items(self, paths: Iterable[str], written: Written) -> Collection[str]:
        """Write the pages of the items that readers see at these paths; return the paths where no item stands."""
        empty = set[str]()
        for chunk in chunks_of(sorted(set(paths)), _AT_ONCE):
            async with self.locked(chunk):
                standing = await self._items.at(chunk)
                judged = [(one.item, self._put_item(one, written)) for one in standing.values()]
            for item, fault in judged:
                if fault is not None:
                    await self._faults.cast_on_shown(item, fault)
                elif item.item.unrenderable == item.revision.number:
                    await self._faults.lift(item)
            empty.update(path for path in chunk if path not in standing)
        return empty

    def _put_item(self, translated: TranslatedItem, written: Written) -> Exception | None:
        rendered = self._items.file(translated)
        if isinstance(rendered, Exception):
            return rendered
        return self.fault_of_putting(rendered, written)

    def fault_of_putting(self, file: File, written: Written) -> UnusableName | None:
        """Put the file on the volume; return what is wrong with its name, if the volume cannot have such a name."""
        try:
            self.put(file, written)
        except UnusableName as fault:
            return fault
        return None

    async def write_lists(self, pages: Iterable[ListingPage | SitemapPart], written: Written) -> None:
        """Write the pages that list items."""
        pages = list(pages)
        sitemaps = [page for page in pages if isinstance(page, Sitemap | SitemapLine)]
        lists = [page for page in pages if not isinstance(page, Sitemap | SitemapLine)]
        has_page = self._page_check()
        for chunk in chunks_of(sorted(set(lists), key=self._lists.paths), _AT_ONCE):
            async with self._guard.locked("lists", [self._lists.paths(page)[0] for page in chunk]):
                content = await self._reader.read(chunk)
                faults = self._faults_in(content.values())
                listed = (item for one in content.values() for item in one.items)
                left_out = faults.keys() | {item.item.id for item in listed if not has_page(item)}
                for page in chunk:
                    self._put_list(page, self._lists.files(page, _without(content[page], left_out)), written)
            for item, fault in faults.values():
                await self._faults.cast_on_shown(item, fault)
        await self._sitemaps.refresh(sitemaps, has_page, written)

    def _faults_in(self, lists: Iterable[ListContent]) -> Mapping[ItemId, tuple[PublicItem, Exception]]:
        once = {item.item.id: item for one in lists for item in one.items}
        faults = ((item, self._items.fault(item)) for item in once.values())
        return {item.item.id: (item, fault) for item, fault in faults if fault is not None}

    def _page_check(self) -> Callable[[PublicItem], bool]:
        """
        Return what tells whether an item that is shown has its page.

        It has, unless this edition cannot render it or a new volume is being filled: then the file is looked for.
        """
        is_whole = self._output.built() == self._fingerprint

        def has_page(item: PublicItem) -> bool:
            is_sure = is_whole and item.item.unrenderable != item.revision.number
            return is_sure or self._output.mtime_ns(item.path) is not None

        return has_page

    def _put_list(self, page: ListingPage, files: Sequence[File], written: Written) -> None:
        for file in files:
            self.put(file, written)
        for path in self._lists.paths(page) if not files else ():
            self._remove(path, written)

    async def remove_left(self, left: Mapping[ItemId, Sequence[LeftPage]], written: Written) -> None:
        """Remove pages that items have left, each only if the store still says that this very showing left it."""
        pages = [(item_id, page) for item_id, pages in left.items() for page in pages]
        for chunk in chunks_of(pages, _AT_ONCE):
            async with self.locked(page.path for _, page in chunk):
                items = await self._items.left_by({item_id for item_id, _ in chunk})
                for item_id, page in chunk:
                    if page in items[item_id]:
                        self._remove(page.path, written)

    async def remove_strays(self, paths: Iterable[str], written: Written) -> None:
        """Remove pages at paths where no item stands, but for those that a batch in hand is about to remove."""
        for chunk in chunks_of(sorted(paths), _AT_ONCE):
            async with self.locked(chunk):
                kept = await self._items.kept_at(chunk)
                for path in chunk:
                    if path not in kept:
                        self._remove(path, written)

    def stands(self, item: PublicItem) -> bool:
        """Whether the page of this very revision is on the volume."""
        return self._output.mtime_ns(item.path) == page_time_ns(item)

    async def mend_sitemap_index(self) -> None:
        """Have the index name the sitemaps of the site's languages: one that was taken out is named no longer."""
        await self._sitemaps.mend_index()

    async def sync(self) -> None:
        """Return when everything written is on the disk. It takes up to a second, so use it only where it must be."""
        await asyncio.to_thread(sync, self._output.root)

    def put(self, file: File, written: Written) -> None:
        """Write a file whose lock the caller holds."""
        is_changed = self._output.write(file.path, file.content, file.time_ns)
        written.put(file.path, file.content, is_changed=is_changed)

    def _remove(self, path: str, written: Written) -> None:
        written.remove(path, was_there=self._output.remove(path))


def _without(content: ListContent, left_out: Collection[ItemId]) -> ListContent:
    if not left_out:
        return content
    groups = [(section, [item for item in items if item.item.id not in left_out]) for section, items in content.groups]
    return replace(content, groups=groups)
