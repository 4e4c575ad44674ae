"""Which pages a change of an item affects: the rule that keeps the work for one item small."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.render.pages.kinds import (
    ARCHIVE_PLACES,
    ArchivePage,
    FeedArchive,
    LatestFragment,
    ListFeeds,
    ListingPage,
    ListPage,
    MonthPlace,
    NewsSitemap,
    SitemapLine,
    SitemapPart,
    block_of,
)
from shared.model.items import Revision
from shared.model.listings import Listing, listings_of
from shared.model.site_file import Site


@dataclass(frozen=True)
class Change:
    """What an item looks like to readers before an event, by the event and by now, and where it stands and stood."""

    revisions: tuple[Revision, ...]
    places: frozenset[MonthPlace] = frozenset()
    """Its numbered places in months: those it has, those it left, and those of its translations."""
    left_listings: frozenset[Listing] = frozenset()
    """Listings in which the item gave up a place."""
    is_seen_in_lists: bool = True
    """Whether a list could show the difference: a card, a date, another place."""


def listings_concerned(change: Change) -> frozenset[Listing]:
    """Return every listing that shows the item, or did before."""
    return change.left_listings.union(*map(listings_of, change.revisions))


def paths_concerned(changes: Iterable[Change]) -> frozenset[str]:
    """Return where the changed items stand and stood."""
    return frozenset(revision.path for change in changes for revision in change.revisions if revision.path)


def lists_concerned(changes: Iterable[Change], site: Site) -> frozenset[ListingPage | SitemapPart]:
    """
    Return the pages that list changed items, each once however many changes concern it.

    A language that the site no longer has has no lists.
    """
    pages: set[ListingPage | SitemapPart] = set()
    for change in changes:
        for listing in listings_concerned(change):
            if listing.lang in site.languages:
                pages.update(pages_of(listing, site) if change.is_seen_in_lists else [ListFeeds(listing)])
        for place in change.places:
            if place.listing.lang in site.languages:
                pages.update(_pages_at(place, is_seen_in_lists=change.is_seen_in_lists))
        if change.revisions and change.is_seen_in_lists:
            pages.add(NewsSitemap())
    return frozenset(pages)


def pages_of(listing: Listing, site: Site) -> Iterable[ListingPage]:
    """Yield the pages that show a listing's newest items."""
    yield ListPage(listing)
    yield ListFeeds(listing)
    if listing.kind == "section" and listing.name in site.latest_sections:
        yield LatestFragment(listing.lang)


def _pages_at(place: MonthPlace, *, is_seen_in_lists: bool) -> Iterable[ListingPage | SitemapPart]:
    listing, month = place.listing, place.month
    block = block_of(place.number, ARCHIVE_PLACES)
    match place.kind, listing.kind:
        case "feed", _:
            yield FeedArchive(listing, month, block)
        case "archive", "home":
            yield SitemapLine(listing.lang, month, place.number)
        case "archive", "section" if is_seen_in_lists:
            yield ArchivePage(listing, month, block)
            # The first place of a page makes the page, and the one before it gets its way on.
            if block > 1 and place.number % ARCHIVE_PLACES == 1:
                yield ArchivePage(listing, month, block - 1)
