"""What every feed format needs: the feed of a listing, its entries, and what a format must say of itself."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.render.feeds.entries import EntryContent, entry_content, tag_uri
from services.render.theme.frame import OfferedFormat
from services.render.theme.view_models import in_language, listing_name
from shared.model.ids import ItemId
from shared.model.items import PublicItem
from shared.model.listings import Listing
from shared.model.site_file import Site
from shared.model.urls import feed_path
from shared.text.markup import printable


@dataclass(frozen=True)
class FeedHead:
    """What all feeds of a listing say of themselves."""

    uri: str
    title: str
    description: str
    publisher: str
    lang: str
    base_url: str
    path: str
    """The listing's page."""
    rsscloud: bool = False

    def url(self, format_name: str, list_path: str | None = None) -> str:
        """Return the address of the listing's feed, or of the feed of one of its archive pages."""
        return self.base_url + feed_path(list_path or self.path, format_name)


@dataclass(frozen=True)
class FeedEntry:
    """An item at one revision, serialised once for each format."""

    item_id: ItemId
    released_at: datetime
    updated_at: datetime
    """When it changed in a way that is worth reading it again (RFC 4287, section 4.2.15)."""
    modified_at: datetime
    serialised: Mapping[str, bytes]
    """By the format's name."""


@dataclass(frozen=True)
class Tombstone:
    """An item that was withdrawn."""

    item_id: ItemId
    withdrawn_at: datetime
    notice: str | None = None


@dataclass(frozen=True)
class Feed:
    """
    One feed document, for every format.

    `archive`, `prev_archive` and `next_archive` are paths of archive pages: the one whose feed this is (None for the
    feed that readers subscribe to), the next older and the next newer.
    """

    head: FeedHead
    born: datetime
    """What it says it was updated at while it has neither entries nor tombstones."""
    entries: Sequence[FeedEntry]
    tombstones: Sequence[Tombstone] = ()
    archive: str | None = None
    prev_archive: str | None = None
    next_archive: str | None = None

    @property
    def updated_at(self) -> datetime:
        """When something in it changed in a way that is worth reading it again."""
        return self._latest(entry.updated_at for entry in self.entries)

    @property
    def modified_at(self) -> datetime:
        """When anything in it changed."""
        return self._latest(entry.modified_at for entry in self.entries)

    def _latest(self, changes: Iterable[datetime]) -> datetime:
        return max([self.born, *changes, *(tombstone.withdrawn_at for tombstone in self.tombstones)])

    def url(self, format_name: str) -> str:
        """Return the feed's own address."""
        return self.head.url(format_name, self.archive)

    def archive_links(self, format_name: str) -> Sequence[tuple[str, str]]:
        """Return RFC 5005's relations and addresses."""
        current = self.head.path if self.archive else None
        pages = (("current", current), ("prev-archive", self.prev_archive), ("next-archive", self.next_archive))
        return [(relation, self.head.url(format_name, path)) for relation, path in pages if path is not None]


@dataclass(frozen=True)
class FeedFormat(OfferedFormat):
    """A format of feeds. Each has a module of its own, and `formats.py` lists them all."""

    has_archives: bool
    """Whether a month of the past has a document in this format (RFC 5005), to which the newest document links."""
    entry: Callable[[EntryContent], bytes]
    """Serialises an item."""
    document: Callable[[Feed, Sequence[bytes]], bytes]
    """Serialises a feed around its entries."""

    @property
    def content_type(self) -> str:
        """What a feed is served and pushed as: WebSub asks for the same to the byte (section 7)."""
        return f"{self.media_type}; charset=utf-8"

    def render(self, feed: Feed) -> bytes:
        """Return the feed with its entries, the newest first."""
        newest_first = sorted(feed.entries, key=lambda entry: (entry.released_at, entry.item_id), reverse=True)
        return self.document(feed, [entry.serialised[self.name] for entry in newest_first])


def feed_entry_of(item: PublicItem, site: Site, base_url: str, formats: Iterable[FeedFormat]) -> FeedEntry:
    """Return the item as feeds show it, with absolute addresses and its whole text."""
    content = entry_content(item, site, base_url)
    return FeedEntry(
        item_id=item.item.id,
        released_at=item.released_at,
        updated_at=content.updated_at,
        modified_at=content.modified_at,
        serialised={one.name: one.entry(content) for one in formats},
    )


def feed_head_of(listing: Listing, site: Site, base_url: str, *, rsscloud: bool = False) -> FeedHead:
    """Return what the listing's feeds say of themselves."""
    site_title = in_language(site.title, listing.lang, site)
    title = site_title if listing.kind == "home" else f"{listing_name(listing, site)} — {site_title}"
    organisation = in_language(site.organisation.name, listing.lang, site) if site.organisation else ""
    return FeedHead(
        uri=tag_uri(base_url, f"feed:{listing}"),
        title=printable(title),
        description=printable(in_language(site.description, listing.lang, site)) or printable(title),
        publisher=printable(organisation) or printable(site_title),
        lang=listing.lang,
        base_url=base_url,
        path=listing.path,
        rsscloud=rsscloud,
    )
