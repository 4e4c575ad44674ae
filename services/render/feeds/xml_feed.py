"""What RSS and Atom share: elements without forbidden characters, Atom's links, and entries put into a document."""

from collections.abc import Sequence

from lxml import etree

from services.render.feeds.feed import Feed
from shared.model.urls import hub_url
from shared.text.markup import printable

ATOM_NAMESPACE = "http://www.w3.org/2005/Atom"
HISTORY_NAMESPACE = "http://purl.org/syndication/history/1.0"  # RFC 5005
_DECLARATION = b"<?xml version='1.0' encoding='UTF-8'?>\n"


def add(parent: etree._Element, tag: str, text: str | None = None, **attributes: str) -> etree._Element:
    """Append an element, without the characters that XML forbids."""
    child = etree.SubElement(parent, tag, {name: printable(value) for name, value in attributes.items()})
    if text is not None:
        child.text = printable(text)
    return child


def add_links(parent: etree._Element, feed: Feed, format_name: str, media_type: str) -> None:
    """Append the links of a feed to itself, to the hub and to its archives."""
    link = f"{{{ATOM_NAMESPACE}}}link"
    add(parent, link, rel="self", type=media_type, href=feed.url(format_name))
    add(parent, link, rel="hub", href=hub_url(feed.head.base_url))
    for relation, url in feed.archive_links(format_name):
        add(parent, link, rel=relation, type=media_type, href=url)
    if feed.archive is not None:
        add(parent, f"{{{HISTORY_NAMESPACE}}}archive")


def with_entries(xml: bytes, entries: Sequence[bytes], end: bytes) -> bytes:
    """Return the document with the entries before its end tags."""
    return _DECLARATION + xml.removesuffix(end) + b"\n" + b"".join(entry + b"\n" for entry in entries) + end + b"\n"
