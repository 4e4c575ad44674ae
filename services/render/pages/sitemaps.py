"""What search engines read: sitemaps (sitemaps.org 0.9), the news sitemap, and robots.txt."""

import re
from collections.abc import Iterable, Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

from services.render.pages.kinds import SITEMAP_INDEX
from services.render.theme.view_models import Translation, in_language, one_line
from shared.model.clock import iso
from shared.model.items import PublicItem
from shared.model.site_file import Site
from shared.model.urls import home_path
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
