"""The pages of the site, each named by what it shows."""

from dataclasses import dataclass
from typing import Literal

from services.render.theme.view_models import archive_path
from shared.model.listings import Listing
from shared.model.urls import FEED_FORMATS, FeedFormat, feed_path, latest_fragment_path

# How many numbered places of a month stand on one page of its archive, in one of its feeds, in one sitemap.
ARCHIVE_PLACES = 100
SITEMAP_PLACES = 1000
# RFC 5005 is about Atom, and RSS borrows it; JSON Feed goes on with what stands in its newest document.
ARCHIVE_FORMATS: tuple[FeedFormat, ...] = ("rss", "atom")

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
    def paths(self) -> tuple[str, ...]:
        return (self.listing.path,)


@dataclass(frozen=True, order=True)
class ListFeeds:
    """The feeds of a listing, one in each format, written together from one reading."""

    listing: Listing

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(feed_path(self.listing.path, feed_format) for feed_format in FEED_FORMATS)


@dataclass(frozen=True, order=True)
class LatestFragment:
    """The column of newest documents beside every page of a language."""

    lang: str

    @property
    def paths(self) -> tuple[str, ...]:
        return (latest_fragment_path(self.lang),)


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
    def paths(self) -> tuple[str, ...]:
        return (archive_path(self.listing, self.month, self.number),)


@dataclass(frozen=True, order=True)
class FeedArchive:
    """An archive document of a listing's feeds (RFC 5005): a hundred of the items that became public in a month."""

    listing: Listing
    month: str
    number: int

    @property
    def paths(self) -> tuple[str, ...]:
        path = archive_path(self.listing, self.month, self.number)
        return tuple(feed_path(path, feed_format) for feed_format in ARCHIVE_FORMATS)


@dataclass(frozen=True, order=True)
class NewsSitemap:
    """What was published in the last two days, in every language."""

    @property
    def paths(self) -> tuple[str, ...]:
        return (NEWS_SITEMAP,)


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


def block_of(place: int, places: int) -> int:
    """Return which block of so many places holds a place; both are counted from 1."""
    return (place - 1) // places + 1
