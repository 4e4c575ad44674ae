"""Bring the whole volume up to date with the store: after a change of site or theme, or onto an empty volume."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import structlog
from redis.exceptions import RedisError

from services.render.edition import Edition
from services.render.output import Output
from services.render.page_graph import pages_of
from services.render.page_writer import PageWriter
from services.render.pages import ItemAt, LatestFragment, Page
from shared.item_store import ItemStore
from shared.listings import Listing, listings_of

log = structlog.get_logger()

# So many items at a time: between two chunks, publishing takes the locks it needs.
_CHUNK = 50
_WAIT_SECONDS = 1


class Rebuild:
    """Writes every page of the site."""

    def __init__(self, store: ItemStore, edition: Edition, writer: PageWriter, output: Output) -> None:
        self._store = store
        self._site = edition.site
        self._record = edition.record
        self._theme = edition.theme
        self._writer = writer
        self._output = output

    async def run_if_needed(self) -> None:
        """Write everything unless the volume was built whole with this edition; wait for a store that is away."""
        while self._output.built() != self._record.fingerprint:
            try:
                await self.run()
            except (RedisError, OSError) as error:
                log.warning("rebuild.waiting", reason=repr(error))
                await asyncio.sleep(_WAIT_SECONDS)

    async def run(self) -> None:
        """Write static files, then items, then lists; what is there already is not written again."""
        self.write_static_files()
        listings = set(self._listings_of_site())
        items = 0
        async for pages, found in self._item_pages():
            await self._writer.refresh(pages)
            listings |= found
            items += len(pages)
        lists: set[Page] = {page for listing in listings for page in pages_of(listing, self._site)}
        lists |= {LatestFragment(lang) for lang in self._site.languages}
        await self._writer.refresh(lists)
        self._output.mark_built(self._record.fingerprint)
        log.info("site.rebuilt", items=items, lists=len(lists), record=self._record.number)

    def write_static_files(self) -> None:
        """Write what no item changes: the theme's files and the institution's media."""
        for path, content in self._theme.static_files().items():
            self._output.write(path, content, 0)
        media = self._site.media_folder
        for file in sorted(media.rglob("*")) if media else ():
            if file.is_file():
                path = "/media/" + file.relative_to(media or Path()).as_posix()
                self._output.write(path, file.read_bytes(), file.stat().st_mtime_ns)

    def _listings_of_site(self) -> Iterable[Listing]:
        for lang in self._site.languages:
            yield Listing(lang, "home")
            for section in self._site.sections:
                yield Listing(lang, "section", section.path)

    async def _item_pages(self) -> AsyncIterator[tuple[set[Page], set[Listing]]]:
        """Yield the item pages with the listings that show their items, chunk by chunk."""
        for lang in self._site.languages:
            async for ids in self._store.scan(Listing(lang, "home"), _CHUNK):
                items = await self._store.public_items(ids)
                listings = {listing for item in items for listing in listings_of(item.revision)}
                yield {ItemAt(item.path) for item in items}, listings
