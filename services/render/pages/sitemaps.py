"""
What search engines read: sitemaps (sitemaps.org 0.9), the news sitemap, and robots.txt.

A sitemap names up to a thousand items, each on a line of its own. When one item changes, only its line is made again,
from what the store says of its place while the sitemap's lock is held. The other lines stay as they are.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

from redis.asyncio import Redis

from services.render.output.volume import Output
from services.render.output.written import Written
from services.render.pages.edition import Edition
from services.render.pages.edition_guard import EditionGuard
from services.render.pages.items import ItemPages, TranslatedItem
from services.render.pages.kinds import SITEMAP_INDEX, SITEMAP_PLACES, Sitemap, SitemapLine, block_of
from services.render.pages.months import last_of
from services.render.theme.view_models import Translation, in_language, one_line
from shared.model.clock import iso
from shared.model.ids import ItemId
from shared.model.items import PublicItem
from shared.model.listings import Listing
from shared.model.site_file import Site
from shared.model.urls import home_path
from shared.store import keys
from shared.text.markup import printable

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
_URLSET = f'<urlset xmlns="{_SITEMAP}" xmlns:xhtml="http://www.w3.org/1999/xhtml">\n'
_NEWS = f'<urlset xmlns="{_SITEMAP}" xmlns:news="http://www.google.com/schemas/sitemap-news/0.9">\n'
_INDEX = f'<sitemapindex xmlns="{_SITEMAP}">\n'
_END = "</urlset>\n"
_LINE = re.compile(r"<!--([0-9]+)-->.*\n")

Lines = Mapping[int, str]
"""The lines of a sitemap, each under its item's place."""


class SitemapReader:
    """Reads the numbered places that sitemaps are made of: those of a language's home."""

    def __init__(self, redis: Redis, items: ItemPages, edition: Edition) -> None:
        self._redis = redis
        self._items = items
        self._languages = edition.site.languages

    async def standing(self, page: Sitemap, places: Sequence[int] | None) -> Mapping[int, TranslatedItem]:
        """Return the items at the given places of the sitemap, or at all its places for None."""
        key = keys.archive_month(Listing(page.lang, "home"), page.month)
        first = (page.number - 1) * SITEMAP_PLACES + 1
        ranges = [(first, first + SITEMAP_PLACES - 1)] if places is None else [(place, place) for place in places]
        pipe = self._redis.pipeline(transaction=False)
        for lowest, highest in ranges:
            pipe.zrangebyscore(key, lowest, highest, withscores=True)
        members = [member for found in await pipe.execute() for member in found]
        standing = await self._items.by_id([ItemId(str(item_id)) for item_id, _ in members])
        return {int(place): standing[item_id] for item_id, place in members if item_id in standing}

    async def all(self) -> Sequence[Sitemap]:
        """Return every sitemap that has a place with an item, in their order."""
        homes = [Listing(lang, "home") for lang in self._languages]
        pipe = self._redis.pipeline(transaction=False)
        for home in homes:
            pipe.hgetall(keys.listing(home))
        candidates = [
            Sitemap(home.lang, month, number)
            for home, record in zip(homes, await pipe.execute(), strict=True)
            for month, last in last_of(record, "archive").items()
            for number in range(1, block_of(last, SITEMAP_PLACES) + 1)
        ]
        for page in candidates:
            first = (page.number - 1) * SITEMAP_PLACES + 1
            key = keys.archive_month(Listing(page.lang, "home"), page.month)
            pipe.zcount(key, first, first + SITEMAP_PLACES - 1)
        counts = await pipe.execute() if candidates else []
        return [page for page, count in zip(candidates, counts, strict=True) if count]


class SitemapWriter:
    """Writes sitemaps and their index onto the output volume."""

    def __init__(self, reader: SitemapReader, edition: Edition, output: Output) -> None:
        self._reader = reader
        self._base_url = edition.base_url
        self._output = output
        self._guard = EditionGuard(output, edition.record.mark)

    async def refresh(
        self, parts: Iterable[Sitemap | SitemapLine], has_page: Callable[[PublicItem], bool], written: Written
    ) -> None:
        """Bring sitemaps, or single lines of them, up to date; note their files in `written`."""
        wanted: dict[Sitemap, set[int] | None] = {}
        for part in parts:
            if isinstance(part, Sitemap):
                wanted[part] = None
            else:
                places = wanted.setdefault(part.sitemap, set())
                if places is not None:
                    places.add(part.place)
        for page, places in sorted(wanted.items(), key=lambda one: one[0]):
            await self._refresh(page, places, has_page, written)

    async def _refresh(
        self, page: Sitemap, places: set[int] | None, has_page: Callable[[PublicItem], bool], written: Written
    ) -> None:
        async with self._guard.locked("lists", [page.path]):
            before = None if places is None else self._output.read(page.path)
            asked = None if before is None else sorted(places or ())
            standing = await self._reader.standing(page, asked)
            lines = dict(lines_of(before)) if before is not None else {}
            for place in asked or ():
                lines.pop(place, None)
            lines.update(self._lines({place: one for place, one in standing.items() if has_page(one.item)}))
            self._put(page.path, sitemap(lines) if lines else None, written)
        await self._refresh_index(page, bool(lines), written)

    def _lines(self, standing: Mapping[int, TranslatedItem]) -> Mapping[int, str]:
        return {
            place: sitemap_line(place, one.item, one.translations, self._base_url) for place, one in standing.items()
        }

    async def _refresh_index(self, page: Sitemap, is_there: bool, written: Written) -> None:
        async with self._guard.locked("lists", [SITEMAP_INDEX]):
            # The index changes only when a sitemap gets its first line or loses its last.
            index = self._output.read(SITEMAP_INDEX)
            if index is not None and (f"{page.path}<".encode() in index) == is_there:
                return
            paths = [one.path for one in await self._reader.all()]
            self._put(SITEMAP_INDEX, sitemap_index(paths, self._base_url), written)

    async def mend_index(self) -> None:
        """Write the index anew if there is one."""
        async with self._output.locked("lists", [SITEMAP_INDEX]):
            if self._output.read(SITEMAP_INDEX) is not None:
                paths = [one.path for one in await self._reader.all()]
                self._put(SITEMAP_INDEX, sitemap_index(paths, self._base_url), Written())

    def _put(self, path: str, content: bytes | None, written: Written) -> None:
        if content is None:
            written.remove(path, was_there=self._output.remove(path))
        else:
            written.put(path, content, is_changed=self._output.write(path, content, None))


def sitemap_line(place: int, item: PublicItem, translations: Sequence[Translation], base_url: str) -> str:
    """Return what a sitemap says of an item, beginning with its place; `lastmod` is when readers could first see it."""
    versions = [(item.revision.lang, item.path), *((other.lang, other.path) for other in translations)]
    alternates = "".join(
        f'<xhtml:link rel="alternate" hreflang={quoteattr(lang)} href={quoteattr(base_url + path)}/>'
        for lang, path in sorted(versions)
    )
    url = f"<loc>{escape(base_url + item.path)}</loc><lastmod>{iso(item.became_public_at)}</lastmod>"
    return f"<!--{place}--><url>{url}{alternates if translations else ''}</url>\n"


def sitemap(lines: Lines) -> bytes:
    """Return the sitemap of the lines, in the order of places."""
    return "".join([_DECLARATION, _URLSET, *(lines[place] for place in sorted(lines)), _END]).encode()


def lines_of(content: bytes) -> Lines:
    """Return the lines that a sitemap was made of."""
    return {int(found[1]): found[0] for found in _LINE.finditer(content.decode())}


def sitemap_index(paths: Iterable[str], base_url: str) -> bytes:
    """Return the index of the sitemaps."""
    lines = (f"<sitemap><loc>{escape(base_url + path)}</loc></sitemap>\n" for path in paths)
    return "".join([_DECLARATION, _INDEX, *lines, "</sitemapindex>\n"]).encode()


def news_sitemap(items: Sequence[PublicItem], site: Site, base_url: str) -> bytes:
    """Return the news sitemap of the items."""
    return "".join([_DECLARATION, _NEWS, *(_news_line(item, site, base_url) for item in items), _END]).encode()


def _news_line(item: PublicItem, site: Site, base_url: str) -> str:
    lang = item.revision.lang
    name = escape(printable(in_language(site.title, lang, site)))
    publication = f"<news:publication><news:name>{name}</news:name><news:language>{lang}</news:language>"
    date = f"<news:publication_date>{iso(item.published_at)}</news:publication_date>"
    title = f"<news:title>{escape(one_line(item.revision.title))}</news:title>"
    news = f"<news:news>{publication}</news:publication>{date}{title}</news:news>"
    return f"<url><loc>{escape(base_url + item.path)}</loc>{news}</url>\n"


def robots(site: Site, base_url: str) -> bytes:
    """Return robots.txt: everything but search results, which are endless."""
    searches = "".join(f"Disallow: {home_path(lang)}search/\n" for lang in site.languages)
    maps = f"Sitemap: {base_url}{SITEMAP_INDEX}\nSitemap: {base_url}/news-sitemap.xml\n"
    return f"User-agent: *\n{searches}\n{maps}".encode()
