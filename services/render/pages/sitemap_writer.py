"""
Bring sitemaps up to date.

A sitemap names a thousand items. For a change of one its line alone is made anew, from what the store says of its place
while the sitemap's lock is held; the other lines stay as they are.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping

from services.render.output.volume import Output
from services.render.output.written import Written
from services.render.pages.edition import Edition
from services.render.pages.items import Standing
from services.render.pages.kinds import SITEMAP_INDEX, Sitemap, SitemapLine
from services.render.pages.sitemap_reader import SitemapReader
from services.render.pages.sitemaps import lines_of, sitemap, sitemap_index, sitemap_line
from shared.model.items import PublicItem

WriteMissing = Callable[[Iterable[PublicItem]], Awaitable[bool]]


class SitemapWriter:
    """Writes sitemaps and their index onto the output volume."""

    def __init__(self, reader: SitemapReader, edition: Edition, output: Output) -> None:
        self._reader = reader
        self._base_url = edition.base_url
        self._output = output

    async def refresh(
        self, parts: Iterable[Sitemap | SitemapLine], write_missing: WriteMissing, written: Written
    ) -> None:
        """Bring the sitemaps, or the lines of some, up to date; note it in `written`."""
        wanted: dict[Sitemap, set[int] | None] = {}
        for part in parts:
            if isinstance(part, Sitemap):
                wanted[part] = None
            else:
                places = wanted.setdefault(part.sitemap, set())
                if places is not None:
                    places.add(part.place)
        for page, places in sorted(wanted.items(), key=lambda one: one[0]):
            await self._refresh(page, places, write_missing, written)

    async def _refresh(
        self, page: Sitemap, places: set[int] | None, write_missing: WriteMissing, written: Written
    ) -> None:
        while True:
            async with self._output.locked("lists", [page.path]):
                before = None if places is None else self._output.read(page.path)
                asked = None if before is None else sorted(places or ())
                standing = await self._reader.standing(page, asked)
                if not await write_missing(one.item for one in standing.values()):
                    lines = dict(lines_of(before)) if before is not None else {}
                    for place in asked or ():
                        lines.pop(place, None)
                    lines.update(self._lines(standing))
                    self._put(page.path, sitemap(lines) if lines else None, written)
                    break
        await self._refresh_index(page, bool(lines), written)

    def _lines(self, standing: Mapping[int, Standing]) -> Mapping[int, str]:
        return {
            place: sitemap_line(place, one.item, one.translations, self._base_url) for place, one in standing.items()
        }

    async def _refresh_index(self, page: Sitemap, is_there: bool, written: Written) -> None:
        async with self._output.locked("lists", [SITEMAP_INDEX]):
            # It changes with a sitemap's first line and last: what it says of this one tells whether it is right.
            index = self._output.read(SITEMAP_INDEX)
            if index is not None and (f"{page.path}<".encode() in index) == is_there:
                return
            paths = [one.path for one in await self._reader.all()]
            self._put(SITEMAP_INDEX, sitemap_index(paths, self._base_url), written)

    def _put(self, path: str, content: bytes | None, written: Written) -> None:
        if content is None:
            written.remove(path, was_there=self._output.remove(path))
        else:
            written.put(path, content, is_changed=self._output.write(path, content, None))
