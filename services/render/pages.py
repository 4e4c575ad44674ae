"""The pages of the site, each named by what it shows."""

from dataclasses import dataclass

from shared.listings import Listing
from shared.urls import FEED_FORMATS, feed_path, latest_fragment_path


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


ListingPage = ListPage | ListFeeds | LatestFragment
Page = ItemAt | ListingPage
