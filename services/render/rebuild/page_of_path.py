"""From the path of a file back to the page that has the file, whether the file exists or not."""

import re
from collections.abc import Iterable

from services.render.feeds.feed import FeedFormat
from services.render.pages.kinds import (
    NEWS_SITEMAP,
    ArchivePage,
    FeedArchive,
    ItemAt,
    LatestFragment,
    ListFeeds,
    ListPage,
    NewsSitemap,
    Page,
    Sitemap,
)
from shared.model.listings import Listing
from shared.model.site_file import Site
from shared.model.urls import FRAGMENTS

_SITEMAP = re.compile(r"/sitemaps/([^/]+)/([0-9]{4})-([0-9]{2})-([0-9]+)\.xml")
_FRAGMENT = re.compile(re.escape(FRAGMENTS) + r"/([^/]+)/latest\.html")
_FEED = re.compile(r"(.*/)feed\.(.+)")
_MONTH = re.compile(r"(.*/)([0-9]{4})/([0-9]{2})/(?:page/([0-9]+)/)?")
_ITEM = re.compile(r"/[^/]+(?:/[^/]+)+/[0-9]{4}/[0-9]{2}/[^/]+/")


def pages_at(path: str, site: Site, feed_formats: Iterable[FeedFormat]) -> Iterable[Page]:
    """Yield the pages that may have a file at `path`; none for a path that no page of this site has."""
    if path == NEWS_SITEMAP:
        yield NewsSitemap()
    elif found := _SITEMAP.fullmatch(path):
        yield Sitemap(found[1], found[2] + found[3], int(found[4]))
    elif found := _FRAGMENT.fullmatch(path):
        yield LatestFragment(found[1])
    elif found := _FEED.fullmatch(path):
        yield from _feeds_of(found[1]) if found[2] in {one.name for one in feed_formats} else ()
    elif found := _MONTH.fullmatch(path):
        for listing in _listing_at(found[1]):
            yield ArchivePage(listing, found[2] + found[3], int(found[4] or 1))
    elif _ITEM.fullmatch(path):
        yield ItemAt(path)
    else:
        for listing in _listing_at(path):
            if listing.kind != "section" or listing.name in site.section_at:
                yield ListPage(listing)


def _feeds_of(list_path: str) -> Iterable[Page]:
    found = _MONTH.fullmatch(list_path)
    if found is None:
        yield from map(ListFeeds, _listing_at(list_path))
    else:
        for listing in _listing_at(found[1]):
            yield FeedArchive(listing, found[2] + found[3], int(found[4] or 1))


def _listing_at(path: str) -> Iterable[Listing]:
    lang, _, rest = path.strip("/").partition("/")
    if not rest:
        yield Listing(lang, "home")
    elif rest.startswith("tags/"):
        yield Listing(lang, "tag", rest.removeprefix("tags/"))
    else:
        yield Listing(lang, "section", rest)
