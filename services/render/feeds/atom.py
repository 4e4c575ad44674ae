"""Atom (RFC 4287), archived after RFC 5005, with tombstones after RFC 6721."""

from collections.abc import Sequence

from lxml import etree

from services.render.feeds.entries import EntryContent, tag_uri
from services.render.feeds.feed import Feed, FeedFormat
from services.render.feeds.xml_feed import ATOM_NAMESPACE, HISTORY_NAMESPACE, add, add_links, with_entries
from shared.model.clock import iso

_NAME = "atom"
_MEDIA_TYPE = "application/atom+xml"
_TOMBSTONES = "http://purl.org/atompub/tombstones/1.0"
_NAMESPACES = {None: ATOM_NAMESPACE, "fh": HISTORY_NAMESPACE, "at": _TOMBSTONES}
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def _entry(content: EntryContent) -> bytes:
    # In no namespace here: the feed that it stands in declares Atom's for all that has no prefix.
    element = etree.Element("entry", {_LANG: content.lang})
    add(element, "id", content.uri)
    add(element, "title", content.title)
    add(element, "link", rel="alternate", type="text/html", hreflang=content.lang, href=content.url)
    add(element, "published", iso(content.published_at))
    add(element, "updated", iso(content.updated_at))
    for author in content.authors:
        add(add(element, "author"), "name", author)
    for category in (content.section, *content.tags):
        add(element, "category", term=category)
    for attachment in content.attachments:
        size = {} if attachment.size_bytes is None else {"length": str(attachment.size_bytes)}
        address = {"href": attachment.url, "type": attachment.media_type, "title": attachment.title}
        add(element, "link", rel="enclosure", **address, **size)
    if content.summary:
        add(element, "summary", content.summary)
    add(element, "content", content.html, type="html")
    return etree.tostring(element, encoding="UTF-8")


def _document(feed: Feed, entries: Sequence[bytes]) -> bytes:
    head = feed.head
    atom = f"{{{ATOM_NAMESPACE}}}"
    # lxml takes None for the namespace without prefix; its stubs do not know.
    root = etree.Element(f"{atom}feed", {_LANG: head.lang}, nsmap=_NAMESPACES)  # type: ignore[arg-type]
    add(root, f"{atom}id", head.uri)
    add(root, f"{atom}title", head.title)
    add(root, f"{atom}subtitle", head.description)
    add(root, f"{atom}updated", iso(feed.updated_at))
    add(add(root, f"{atom}author"), f"{atom}name", head.publisher)
    page = head.base_url + head.path
    add(root, f"{atom}link", rel="alternate", type="text/html", hreflang=head.lang, href=page)
    add_links(root, feed, _NAME, _MEDIA_TYPE)
    for tombstone in feed.tombstones:
        reference = {"ref": tag_uri(head.base_url, tombstone.item_id), "when": iso(tombstone.withdrawn_at)}
        deleted = add(root, f"{{{_TOMBSTONES}}}deleted-entry", **reference)
        if tombstone.notice:
            add(deleted, f"{{{_TOMBSTONES}}}comment", tombstone.notice)
    return with_entries(etree.tostring(root, encoding="UTF-8"), entries, b"</feed>")


ATOM = FeedFormat(_NAME, "Atom", _MEDIA_TYPE, has_archives=True, entry=_entry, document=_document)
