"""
Fill the caches with what a list is made of, before the list is written.

A page of 100 items takes 100 ms if its items must be read and their cards and feed entries rendered. This module reads
and renders them beforehand in steps of 2 to 3 ms, with no lock held. Then writing the page takes milliseconds, and a
publish waits for no more than that.
"""

from services.render.pages.chunks import Pause, chunks_of
from services.render.pages.items import ItemPages
from services.render.pages.kinds import SITEMAP_PLACES, ListingPage, Sitemap
from services.render.pages.list_reader import ListReader
from services.render.pages.sitemaps import SitemapReader

# Each step is work for 2 to 3 ms.
_ENTRIES_IN_ONE_STEP = 2
_PLACES_IN_ONE_STEP = 50


class Preparation:
    """Reads items and renders their list entries, so that the caches hold them."""

    def __init__(self, reader: ListReader, items: ItemPages, sitemaps: SitemapReader) -> None:
        self._reader = reader
        self._items = items
        self._sitemaps = sitemaps

    async def prepare(self, page: ListingPage | Sitemap, pause: Pause) -> None:
        """Read and render the page's items; `pause` is awaited before each step."""
        if isinstance(page, Sitemap):
            await self._prepare_sitemap(page, pause)
        else:
            await self._prepare_list(page, pause)

    async def _prepare_sitemap(self, page: Sitemap, pause: Pause) -> None:
        first = (page.number - 1) * SITEMAP_PLACES + 1
        for places in chunks_of(range(first, first + SITEMAP_PLACES), _PLACES_IN_ONE_STEP):
            await pause()
            await self._sitemaps.standing(page, places)

    async def _prepare_list(self, page: ListingPage, pause: Pause) -> None:
        await pause()
        listed = await self._reader.read([page])
        for items in chunks_of(listed[page].items, _ENTRIES_IN_ONE_STEP):
            await pause()
            for item in items:
                # Ignore rendering errors here: writing the page meets them again and handles them.
                self._items.fault(item)
