"""The pages of the site, each named by what it shows."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from services.render.feeds.feed import FeedFormat
from services.render.theme.view_models import archive_path
from shared.model.listings import Listing
from shared.model.urls import feed_path, latest_fragment_path

# How many numbered places of a month stand on one page of its archive, in one of its feeds, in one sitemap.
ARCHIVE_PLACES = 100
SITEMAP_PLACES = 1000

SITEMAP_INDEX = "/sitemap.xml"
NEWS_SITEMAP = "/news-sitemap.xml"
ROBOTS = "/robots.txt"


PlaceKind = Literal["archive", "feed"]


@dataclass(frozen=True, order=True)
class MonthPlace:
    """A numbered place in a month (`yyyymm`) of a listing: `archive` months go by date, `feed` months by release."""

    listing: Listing
    kind: PlaceKind
    month: str
    number: int


@dataclass(frozen=True, order=True)
class ItemAt:
    """The page of the item that has this path now, if any has."""

    path: str


@dataclass(frozen=True, order=True)
class ListPage:
    """The page of a listing: its newest items."""

    listing: Listing

    @property
    def path(self) -> str:
        return self.listing.path


@dataclass(frozen=True, order=True)
class ListFeeds:
    """The feeds of a listing, one in each format, written together from one reading."""

    listing: Listing


@dataclass(frozen=True, order=True)
class LatestFragment:
    """The column of newest documents beside every page of a language."""

    lang: str

    @property
    def path(self) -> str:
        return latest_fragment_path(self.lang)


@dataclass(frozen=True, order=True)
class ArchivePage:
    """
    Page `number` of a section's month (`yyyymm`): a hundred numbered places.

    Once its first place is given out it stays, though the items in it may go: an address that was told is kept.
    """

    listing: Listing
    month: str
    number: int

    @property
    def path(self) -> str:
        return archive_path(self.listing, self.month, self.number)


@dataclass(frozen=True, order=True)
class FeedArchive:
    """An archive document of a listing's feeds (RFC 5005): a hundred of the items that became public in a month."""

    listing: Listing
    month: str
    number: int


@dataclass(frozen=True, order=True)
class NewsSitemap:
    """What was published in the last two days, in every language."""

    @property
    def path(self) -> str:
        return NEWS_SITEMAP


@dataclass(frozen=True, order=True)
class Sitemap:
    """The sitemap of a thousand places of a language's month."""

    lang: str
    month: str
    number: int

    @property
    def path(self) -> str:
        return f"/sitemaps/{self.lang}/{self.month[:4]}-{self.month[4:]}-{self.number}.xml"


@dataclass(frozen=True, order=True)
class SitemapLine:
    """The line of one place in its sitemap: a thousand places are too many to be read for one item."""

    lang: str
    month: str
    place: int

    @property
    def sitemap(self) -> Sitemap:
        return Sitemap(self.lang, self.month, block_of(self.place, SITEMAP_PLACES))


ListingPage = ListPage | ListFeeds | LatestFragment | ArchivePage | FeedArchive | NewsSitemap
SitemapPart = Sitemap | SitemapLine
Page = ItemAt | ListingPage | SitemapPart


def paths_of(page: ListingPage | SitemapPart, feed_formats: Iterable[FeedFormat]) -> tuple[str, ...]:
    """Return the paths of the page's files; the first path names the page's lock."""
    match page:
        case ListFeeds(listing):
            return tuple(feed_path(listing.path, one.name) for one in feed_formats)
        case FeedArchive(listing, month, number):
            path = archive_path(listing, month, number)
            return tuple(feed_path(path, one.name) for one in feed_formats if one.has_archives)
        case SitemapLine():
            return (page.sitemap.path,)
        case _:
            return (page.path,)


def block_of(place: int, places: int) -> int:
    """Return which block of so many places holds a place; both are counted from 1."""
    return (place - 1) // places + 1
