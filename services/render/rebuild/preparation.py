"""
Have what a list is made of at hand before the list is written.

A page of a hundred items takes a tenth of a second where each must be read and its card and feed entry rendered first.
Done in small steps beforehand, with no lock held, it takes milliseconds, and a publish never waits for more.
"""

from services.render.pages.chunks import Pause, chunks_of
from services.render.pages.items import ItemPages
from services.render.pages.kinds import SITEMAP_PLACES, ListingPage, Sitemap
from services.render.pages.list_reader import ListReader
from services.render.pages.sitemaps import SitemapReader

# Two or three milliseconds' work: rendering the entries of so many items, reading so many places.
_ENTRIES_IN_ONE_STEP = 2
_PLACES_IN_ONE_STEP = 50


class Preparation:
    """Reads items and renders their entries, for those who remember them to find."""

    def __init__(self, reader: ListReader, items: ItemPages, sitemaps: SitemapReader) -> None:
        self._reader = reader
        self._items = items
        self._sitemaps = sitemaps

    async def prepare(self, page: ListingPage | Sitemap, pause: Pause) -> None:
        """Have the page's items read and rendered, with a pause before each step."""
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
                # What it cannot be rendered for is found again, and seen to, when the page is written.
                self._items.fault(item)
