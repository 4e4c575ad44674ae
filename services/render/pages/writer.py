"""
Bring pages up to date: make each file what the store says now.

Item pages come first, lists after them, and a list is written only when the page of every item in it is there: whatever
is missing is written on the way, so that no list ever names a page that a reader could not open. Pages that items have
left go last, when no list names them any more.

Pages are read from the store while their locks are held, many at a time, so that the last writer has the freshest data.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.render.output.files import File, page_time_ns
from services.render.output.syncing import sync
from services.render.output.volume import Output
from services.render.output.written import Written
from services.render.pages.items import ItemPages, Standing
from services.render.pages.kinds import ItemAt, ListingPage, Page, Sitemap, SitemapLine, SitemapPart
from services.render.pages.list_reader import Listed, ListReader
from services.render.pages.lists import ListPages
from services.render.pages.sitemap_writer import SitemapWriter
from services.render.pages.steps import in_steps
from shared.model.items import PublicItem

# So many locks are held at once, each an open file; a batch of a hundred events concerns a few hundred pages.
_AT_ONCE = 50

Cast = Callable[[PublicItem, Exception], Awaitable[None]]


@dataclass(frozen=True)
class Makers:
    """Those that read and render each kind of page."""

    items: ItemPages
    reader: ListReader
    lists: ListPages
    sitemaps: SitemapWriter


class PageWriter:
    """Writes pages onto the output volume."""

    def __init__(self, makers: Makers, output: Output, cast: Cast) -> None:
        """`cast` takes back a revision that cannot be rendered, for the reason given."""
        self._items = makers.items
        self._reader = makers.reader
        self._lists = makers.lists
        self._sitemaps = makers.sitemaps
        self._output = output
        self._cast = cast

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
            for chunk in in_steps(sorted(wanted), _AT_ONCE):
                async with self._output.locked("items", chunk):
                    standing = await self._items.at(chunk)
                    bad += self._put_items(standing.values(), written)
                left.update(path for path in chunk if path not in standing)
            for item, fault in bad:
                await self._cast(item, fault)
            # Readers are left with an earlier revision, which may stand at another path.
            wanted = {item.path for item, _ in bad} | await self._items.paths_of([item for item, _ in bad])
        return left

    def _put_items(self, standing: Iterable[Standing], written: Written) -> list[tuple[PublicItem, Exception]]:
        bad = []
        for one in standing:
            rendered = self._items.file(one)
            if isinstance(rendered, File):
                self._put(rendered, written)
            else:
                bad.append((one.item, rendered))
        return bad

    async def write_lists(self, pages: Iterable[ListingPage | SitemapPart], written: Written) -> None:
        """Write the pages that list items."""
        pages = list(pages)
        sitemaps = [page for page in pages if isinstance(page, Sitemap | SitemapLine)]
        lists = [page for page in pages if not isinstance(page, Sitemap | SitemapLine)]
        for chunk in in_steps(sorted(set(lists), key=lambda page: page.paths), _AT_ONCE):
            await self._write_chunk(chunk, written)
        await self._sitemaps.refresh(sitemaps, lambda items: self._write_missing(items, written), written)

    async def _write_chunk(self, chunk: Sequence[ListingPage], written: Written) -> None:
        while chunk:
            async with self._output.locked("lists", [page.paths[0] for page in chunk]):
                listed = await self._reader.read(chunk)
                missing = self._missing(item for page in chunk for item in listed[page].items)
                faults = self._faults(listed, {item.path for item in missing})
                hindered = {item.item.id for item in (*missing, *(item for item, _ in faults))}
                ready = [page for page in chunk if not any(one.item.id in hindered for one in listed[page].items)]
                for page in ready:
                    self._put_list(page, self._lists.files(page, listed[page]), written)
            await self.write_items([item.path for item in missing], written)
            for item, fault in faults:
                await self._cast(item, fault)
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
        self, listed: Mapping[ListingPage, Listed], but: Collection[str]
    ) -> Sequence[tuple[PublicItem, Exception]]:
        once = {item.item.id: item for one in listed.values() for item in one.items if item.path not in but}
        faults = ((item, self._items.fault(item)) for item in once.values())
        return [(item, fault) for item, fault in faults if fault is not None]

    def _put_list(self, page: ListingPage, files: Sequence[File], written: Written) -> None:
        for file in files:
            self._put(file, written)
        for path in page.paths if not files else ():
            self._remove(path, written)

    async def remove_items(self, paths: Iterable[str], written: Written) -> None:
        """Remove the pages of items at paths where none stands."""
        for chunk in in_steps(sorted(paths), _AT_ONCE):
            async with self._output.locked("items", chunk):
                standing = await self._items.at(chunk)
                for path in chunk:
                    if path not in standing:
                        self._remove(path, written)

    async def sync(self) -> None:
        """Return once everything written is surely on the disk: up to a second, so only where it must be."""
        await asyncio.to_thread(sync, self._output.root)

    def _put(self, file: File, written: Written) -> None:
        is_changed = self._output.write(file.path, file.content, file.time_ns)
        written.put(file.path, file.content, is_changed=is_changed)

    def _remove(self, path: str, written: Written) -> None:
        written.remove(path, was_there=self._output.remove(path))
