"""
Bring pages up to date: make each file what the store says now.

Item pages come first, lists after them, and a list is written only when the page of every item in it is there: whatever
is missing is written on the way, so that no list ever names a page that a reader could not open. Pages that items have
left go last, when no list names them any more.
"""

from collections.abc import Iterable, Sequence

from services.render.files import File, page_time_ns
from services.render.item_pages import ItemPages
from services.render.list_pages import ListPages
from services.render.output import Output
from services.render.pages import ItemAt, ListingPage, Page
from services.render.veto import Veto
from shared.metrics import pages_total


class PageWriter:
    """Writes pages onto the output volume."""

    def __init__(self, items: ItemPages, lists: ListPages, output: Output, veto: Veto) -> None:
        self._items = items
        self._lists = lists
        self._output = output
        self._veto = veto

    async def refresh(self, pages: Iterable[Page]) -> None:
        """Bring the pages up to date: those that items have, then lists, then those that items have left."""
        paths: set[str] = set()
        lists: set[ListingPage] = set()
        for page in pages:
            if isinstance(page, ItemAt):
                paths.add(page.path)
            else:
                lists.add(page)
        left = [path for path in sorted(paths) if not await self._write_item(path)]
        for listing_page in sorted(lists, key=lambda page: page.paths):
            await self._write_list(listing_page)
        for path in left:
            await self._remove_item(path)

    async def _write_item(self, path: str) -> bool:
        """Write the page of the item that has this path; return whether there is one."""
        async with self._output.locked("items", path):
            item = await self._items.at(path)
            if item is None:
                return False
            rendered = self._items.file(item, await self._items.translations(item))
            if isinstance(rendered, File):
                self._put(rendered)
                return True
        await self._veto.cast(item, rendered)
        # Readers are left with an earlier revision, which may stand at another path.
        written = [standing for standing in await self._items.paths_of(item) if await self._write_item(standing)]
        return path in written

    async def _remove_item(self, path: str) -> None:
        async with self._output.locked("items", path):
            if await self._items.at(path) is None and self._output.remove(path):
                pages_total.labels("removed").inc()

    async def _write_list(self, page: ListingPage) -> None:
        while True:
            async with self._output.locked("lists", page.paths[0]):
                listed = await self._lists.read(page)
                missing = [item for item in listed.items if self._output.mtime_ns(item.path) != page_time_ns(item)]
                faults = [] if missing else [(item, self._items.fault(item)) for item in listed.items]
                if not missing and not any(fault for _, fault in faults):
                    self._put_list(page, self._lists.files(page, listed))
                    return
            for item in missing:
                await self._write_item(item.path)
            for item, fault in faults:
                if fault is not None:
                    await self._veto.cast(item, fault)

    def _put_list(self, page: ListingPage, files: Sequence[File]) -> None:
        for file in files:
            self._put(file)
        if files:
            return
        for path in page.paths:
            self._output.remove(path)

    def _put(self, file: File) -> None:
        changed = self._output.write(file.path, file.content, file.time_ns)
        pages_total.labels("written" if changed else "unchanged").inc()
