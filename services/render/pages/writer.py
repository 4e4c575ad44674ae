"""
Bring pages up to date: make each file what the store says now.

Item pages are written first, then lists, and pages that items have left are removed last. A list is written only when
the page of every item in it is on the volume; missing item pages are written on the way. So no list names a page that a
reader cannot open.

A page is read from the store while its lock is held, so that the last writer has the newest data.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence

from services.render.output.files import File, page_time_ns
from services.render.output.syncing import sync
from services.render.output.volume import Output
from services.render.output.written import Written
from services.render.pages.chunks import chunks_of
from services.render.pages.items import ItemPages, TranslatedItem
from services.render.pages.kinds import ItemAt, ListingPage, Page, Sitemap, SitemapLine, SitemapPart
from services.render.pages.list_reader import ListContent, ListReader
from services.render.pages.lists import ListPages
from services.render.pages.sitemaps import SitemapWriter
from shared.model.items import PublicItem

# 50 locks are held at once, each an open file. A batch of 100 events concerns a few hundred pages.
_AT_ONCE = 50

OnFault = Callable[[PublicItem, Exception], Awaitable[None]]
"""Called with an item that cannot be rendered and what rendering it raised."""


class PageWriter:
    """Writes pages onto the output volume."""

    def __init__(
        self,
        *,
        items: ItemPages,
        reader: ListReader,
        lists: ListPages,
        sitemaps: SitemapWriter,
        output: Output,
        on_fault: OnFault,
    ) -> None:
        """`on_fault` takes back a revision that cannot be rendered, for the reason given."""
        self._items = items
        self._reader = reader
        self._lists = lists
        self._sitemaps = sitemaps
        self._output = output
        self._on_fault = on_fault

    async def refresh(self, pages: Iterable[Page]) -> Written:
        """Bring the pages up to date: those that items have, then lists, then those that items have left."""
        written = Written()
        pages = list(pages)
        left = await self.write_items([page.path for page in pages if isinstance(page, ItemAt)], written)
        await self.write_lists([page for page in pages if not isinstance(page, ItemAt)], written)
        await self.remove_items(left, written)
        return written

    async def write_items(self, paths: Iterable[str], written: Written) -> Collection[str]:
        """Write the pages of the items that have these paths; return the paths where no item stands."""
        wanted, left = set(paths), set[str]()
        while wanted:
            bad: list[tuple[PublicItem, Exception]] = []
            for chunk in chunks_of(sorted(wanted), _AT_ONCE):
                async with self._output.locked("items", chunk):
                    standing = await self._items.at(chunk)
                    bad += self._put_items(standing.values(), written)
                left.update(path for path in chunk if path not in standing)
            for item, fault in bad:
                await self._on_fault(item, fault)
            # Readers keep an earlier revision, which may stand at another path.
            wanted = {item.path for item, _ in bad} | await self._items.paths_of([item for item, _ in bad])
        return left

    def _put_items(self, standing: Iterable[TranslatedItem], written: Written) -> list[tuple[PublicItem, Exception]]:
        bad = []
        for translated in standing:
            rendered = self._items.file(translated)
            if isinstance(rendered, File):
                self._put(rendered, written)
            else:
                bad.append((translated.item, rendered))
        return bad

    async def write_lists(self, pages: Iterable[ListingPage | SitemapPart], written: Written) -> None:
        """Write the pages that list items."""
        pages = list(pages)
        sitemaps = [page for page in pages if isinstance(page, Sitemap | SitemapLine)]
        lists = [page for page in pages if not isinstance(page, Sitemap | SitemapLine)]
        for chunk in chunks_of(sorted(set(lists), key=self._lists.paths), _AT_ONCE):
            await self._write_chunk(chunk, written)
        await self._sitemaps.refresh(sitemaps, lambda items: self._write_missing(items, written), written)

    async def _write_chunk(self, chunk: Sequence[ListingPage], written: Written) -> None:
        while chunk:
            async with self._output.locked("lists", [self._lists.paths(page)[0] for page in chunk]):
                listed = await self._reader.read(chunk)
                missing = self._missing(item for page in chunk for item in listed[page].items)
                faults = self._faults(listed, {item.path for item in missing})
                hindered = {item.item.id for item in (*missing, *(item for item, _ in faults))}
                ready = [page for page in chunk if not any(one.item.id in hindered for one in listed[page].items)]
                for page in ready:
                    self._put_list(page, self._lists.files(page, listed[page]), written)
            await self.write_items([item.path for item in missing], written)
            for item, fault in faults:
                await self._on_fault(item, fault)
            chunk = [page for page in chunk if page not in ready]

    async def _write_missing(self, items: Iterable[PublicItem], written: Written) -> bool:
        """Write those of the items' pages that are not on the volume; return whether there were any."""
        missing = self._missing(items)
        await self.write_items([item.path for item in missing], written)
        return bool(missing)

    def _missing(self, items: Iterable[PublicItem]) -> Sequence[PublicItem]:
        once = {item.item.id: item for item in items}
        return [item for item in once.values() if self._output.mtime_ns(item.path) != page_time_ns(item)]

    def _faults(
        self, listed: Mapping[ListingPage, ListContent], but: Collection[str]
    ) -> Sequence[tuple[PublicItem, Exception]]:
        once = {item.item.id: item for one in listed.values() for item in one.items if item.path not in but}
        faults = ((item, self._items.fault(item)) for item in once.values())
        return [(item, fault) for item, fault in faults if fault is not None]

    def _put_list(self, page: ListingPage, files: Sequence[File], written: Written) -> None:
        for file in files:
            self._put(file, written)
        for path in self._lists.paths(page) if not files else ():
            self._remove(path, written)

    async def remove_items(self, paths: Iterable[str], written: Written) -> None:
        """Remove the pages of items at paths where none stands."""
        for chunk in chunks_of(sorted(paths), _AT_ONCE):
            async with self._output.locked("items", chunk):
                standing = await self._items.at(chunk)
                for path in chunk:
                    if path not in standing:
                        self._remove(path, written)

    async def sync(self) -> None:
        """Return when everything written is on the disk. It takes up to a second, so use it only where it must be."""
        await asyncio.to_thread(sync, self._output.root)

    def _put(self, file: File, written: Written) -> None:
        is_changed = self._output.write(file.path, file.content, file.time_ns)
        written.put(file.path, file.content, is_changed=is_changed)

    def _remove(self, path: str, written: Written) -> None:
        written.remove(path, was_there=self._output.remove(path))
