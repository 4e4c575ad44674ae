"""Listings: the lists of items that the site keeps, and which of them an item stands in."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from shared.model.items import ItemMonths, Revision
from shared.model.urls import home_path, month_of, section_path, tag_path

ListingKind = Literal["home", "section", "tag"]
LISTING_KINDS: tuple[ListingKind, ...] = ("home", "section", "tag")


@dataclass(frozen=True, order=True)
class Listing:
    """One list of items in one language: everything (home), a section with those below it, or a tag."""

    lang: str
    kind: ListingKind
    name: str = ""

    @property
    def path(self) -> str:
        """The path of the page that shows the listing."""
        match self.kind:
            case "home":
                return home_path(self.lang)
            case "section":
                return section_path(self.lang, self.name)
            case "tag":
                return tag_path(self.lang, self.name)

    def __str__(self) -> str:
        return f"{self.lang}:{self.kind}:{self.name}"

    @classmethod
    def parse(cls, text: str) -> "Listing":
        """Return the listing that `str` was made of."""
        lang, kind, name = text.split(":", 2)
        for known in LISTING_KINDS:
            if kind == known:
                return cls(lang, known, name)
        raise ValueError(f'"{text}" names no listing')


@dataclass(frozen=True)
class Placement:
    """Where a shown revision stands: in these listings, under these dates and months."""

    listings: frozenset[Listing]
    published_at: datetime
    released_at: datetime
    months: ItemMonths


def listings_of(revision: Revision) -> Iterator[Listing]:
    """Yield every listing that shows the revision while it is public."""
    yield Listing(revision.lang, "home")
    segments = revision.section.split("/")
    for depth in range(len(segments)):
        yield Listing(revision.lang, "section", "/".join(segments[: depth + 1]))
    for tag in revision.tags:
        yield Listing(revision.lang, "tag", tag)


def placement_of(
    revision: Revision, released_at: datetime, zone: ZoneInfo, kept: Placement | None = None
) -> Placement | None:
    """
    Return where the revision stands when it is shown, or None for one that withdraws its item.

    Months are those of the time zone. A date that is still that of placement `kept` keeps the month that it has there.
    """
    if revision.withdrawal is not None or revision.published_at is None:
        return None
    published, released = (month_of(moment, zone) for moment in (revision.published_at, released_at))
    if kept is not None and kept.published_at == revision.published_at:
        published = kept.months.published
    if kept is not None and kept.released_at == released_at:
        released = kept.months.released
    months = ItemMonths(published, released)
    return Placement(frozenset(listings_of(revision)), revision.published_at, released_at, months)
