"""Which pages a change of an item concerns: the rule that keeps the work for one item small."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.render.pages import ItemAt, LatestFragment, ListFeeds, ListPage, Page
from shared.items import Revision
from shared.listings import Listing, listings_of
from shared.site_file import Site


@dataclass(frozen=True)
class Change:
    """What an item looks like to readers before an event, by the event and by now, and who links to it."""

    revisions: tuple[Revision, ...]
    translation_paths: tuple[str, ...]
    """The pages of the other members of its translation sets."""


def listings_concerned(change: Change) -> frozenset[Listing]:
    """Return every listing that shows the item, or did before."""
    return frozenset(listing for revision in change.revisions for listing in listings_of(revision))


def pages_concerned(changes: Iterable[Change], site: Site) -> frozenset[Page]:
    """Return the pages to be brought up to date, each once however many changes concern it."""
    pages: set[Page] = set()
    for change in changes:
        paths = {revision.path for revision in change.revisions if revision.path} | set(change.translation_paths)
        pages.update(ItemAt(path) for path in paths)
        for listing in listings_concerned(change):
            pages.update(pages_of(listing, site))
    return frozenset(pages)


def pages_of(listing: Listing, site: Site) -> Iterable[Page]:
    """Yield the pages that show a listing."""
    yield ListPage(listing)
    yield ListFeeds(listing)
    if listing.kind == "section" and listing.name in site.latest_sections:
        yield LatestFragment(listing.lang)
