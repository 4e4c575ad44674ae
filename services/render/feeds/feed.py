"""The feeds of a listing: RSS 2.0, Atom (RFC 4287) and JSON Feed 1.1, all of them the same entries with full text."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from lxml import etree

from services.render.feeds.entries import (
    ATOM,
    CONTENT,
    DUBLIN_CORE,
    XML_LANG,
    FeedEntry,
    add,
    feed_entry_of,
    rfc_822,
    tag_uri,
    with_plain_title,
)
from services.render.theme.view_models import in_language, listing_name
from shared.model.clock import iso
from shared.model.ids import ItemId
from shared.model.listings import Listing
from shared.model.site_file import Site
from shared.model.urls import RSSCLOUD_PATH, FeedFormat, feed_path
from shared.text.markup import printable

__all__ = ["Feed", "FeedEntry", "FeedHead", "Tombstone", "atom", "feed_entry_of", "feed_head_of", "json_feed", "rss"]

_HISTORY = "http://purl.org/syndication/history/1.0"  # RFC 5005
_TOMBSTONES = "http://purl.org/atompub/tombstones/1.0"  # RFC 6721
_DECLARATION = b"<?xml version='1.0' encoding='UTF-8'?>\n"


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

    def url(self, feed_format: FeedFormat, list_path: str | None = None) -> str:
        """Return the address of the listing's feed, or of the feed of one of its archive pages."""
        return self.base_url + feed_path(list_path or self.path, feed_format)


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

    @property
    def newest_first(self) -> Sequence[FeedEntry]:
        return sorted(self.entries, key=lambda entry: (entry.released_at, entry.item_id), reverse=True)

    def url(self, feed_format: FeedFormat) -> str:
        """Return the feed's own address."""
        return self.head.url(feed_format, self.archive)

    def archive_links(self, feed_format: FeedFormat) -> Sequence[tuple[str, str]]:
        """Return RFC 5005's relations and addresses."""
        current = self.head.path if self.archive else None
        pages = (("current", current), ("prev-archive", self.prev_archive), ("next-archive", self.next_archive))
        return [(relation, self.head.url(feed_format, path)) for relation, path in pages if path is not None]


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


def rss(feed: Feed) -> bytes:
    """Return the feed as RSS 2.0, after the RSS Advisory Board's best practices."""
    head = feed.head
    root = etree.Element(
        "rss", version="2.0", nsmap={"atom": ATOM, "content": CONTENT, "dc": DUBLIN_CORE, "fh": _HISTORY}
    )
    channel = add(root, "channel")
    add(channel, "title", head.title)
    add(channel, "link", head.base_url + head.path)
    add(channel, "description", head.description)
    add(channel, "language", head.lang)
    add(channel, "lastBuildDate", rfc_822(feed.modified_at))
    _add_links(channel, feed, "rss", "application/rss+xml")
    if head.rsscloud and feed.archive is None:
        _add_cloud(channel, head.base_url)
    xml = with_plain_title(etree.tostring(root, encoding="UTF-8"))
    return _with_entries(xml, [entry.rss for entry in feed.newest_first], b"</channel></rss>")


def atom(feed: Feed) -> bytes:
    """Return the feed as Atom (RFC 4287), archived after RFC 5005, with tombstones after RFC 6721."""
    head = feed.head
    names = {None: ATOM, "fh": _HISTORY, "at": _TOMBSTONES}
    # lxml takes None for the namespace without prefix; its stubs do not know.
    root = etree.Element(f"{{{ATOM}}}feed", {XML_LANG: head.lang}, nsmap=names)  # type: ignore[arg-type]
    add(root, f"{{{ATOM}}}id", head.uri)
    add(root, f"{{{ATOM}}}title", head.title)
    add(root, f"{{{ATOM}}}subtitle", head.description)
    add(root, f"{{{ATOM}}}updated", iso(feed.updated_at))
    add(add(root, f"{{{ATOM}}}author"), f"{{{ATOM}}}name", head.publisher)
    page = head.base_url + head.path
    add(root, f"{{{ATOM}}}link", rel="alternate", type="text/html", hreflang=head.lang, href=page)
    _add_links(root, feed, "atom", "application/atom+xml")
    for tombstone in feed.tombstones:
        reference = {"ref": tag_uri(head.base_url, tombstone.item_id), "when": iso(tombstone.withdrawn_at)}
        deleted = add(root, f"{{{_TOMBSTONES}}}deleted-entry", **reference)
        if tombstone.notice:
            add(deleted, f"{{{_TOMBSTONES}}}comment", tombstone.notice)
    xml = etree.tostring(root, encoding="UTF-8")
    return _with_entries(xml, [entry.atom for entry in feed.newest_first], b"</feed>")


def json_feed(feed: Feed) -> bytes:
    """Return the feed as JSON Feed 1.1; `next_url` leads to the next older archive."""
    head = feed.head
    about: dict[str, object] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": head.title,
        "home_page_url": head.base_url + head.path,
        "feed_url": feed.url("json"),
        "description": head.description,
        "language": head.lang,
        "authors": [{"name": head.publisher}],
        "hubs": [{"type": "WebSub", "url": f"{head.base_url}/hub"}],
    }
    if feed.prev_archive is not None:
        about["next_url"] = head.url("json", feed.prev_archive)
    start = json.dumps(about, ensure_ascii=False).encode().removesuffix(b"}")
    return start + b', "items": [\n' + b",\n".join(entry.json for entry in feed.newest_first) + b"\n]}\n"


def _add_links(parent: etree._Element, feed: Feed, feed_format: FeedFormat, media_type: str) -> None:
    link = f"{{{ATOM}}}link"
    add(parent, link, rel="self", type=media_type, href=feed.url(feed_format))
    add(parent, link, rel="hub", href=f"{feed.head.base_url}/hub")
    for relation, url in feed.archive_links(feed_format):
        add(parent, link, rel=relation, type=media_type, href=url)
    if feed.archive is not None:
        add(parent, f"{{{_HISTORY}}}archive")


def _add_cloud(channel: etree._Element, base_url: str) -> None:
    """Tell where rssCloud readers ask for notifications; the element has no place for the scheme but the port."""
    address = urlsplit(base_url)
    port = address.port or {"http": 80, "https": 443}[address.scheme]
    where = {"domain": address.hostname or "", "port": str(port), "path": f"{address.path}{RSSCLOUD_PATH}"}
    add(channel, "cloud", **where, registerProcedure="", protocol="http-post")


def _with_entries(xml: bytes, entries: Sequence[bytes], end: bytes) -> bytes:
    return _DECLARATION + xml.removesuffix(end) + b"\n" + b"".join(entry + b"\n" for entry in entries) + end + b"\n"
