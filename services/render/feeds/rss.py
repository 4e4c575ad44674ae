"""RSS 2.0, after the RSS Advisory Board's best practices."""

import html
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import urlsplit

from lxml import etree

from services.render.feeds.entries import EntryContent
from services.render.feeds.feed import Feed, FeedFormat
from services.render.feeds.xml_feed import ATOM_NAMESPACE, HISTORY_NAMESPACE, add, add_links, with_entries
from shared.model.urls import RSSCLOUD_PATH

_NAME = "rss"
_MEDIA_TYPE = "application/rss+xml"
_CONTENT = "http://purl.org/rss/1.0/modules/content/"
_DUBLIN_CORE = "http://purl.org/dc/elements/1.1/"
_ENTRY_NAMESPACES = {"content": _CONTENT, "dc": _DUBLIN_CORE}
_NAMESPACES = {"atom": ATOM_NAMESPACE, **_ENTRY_NAMESPACES, "fh": HISTORY_NAMESPACE}


def _entry(content: EntryContent) -> bytes:
    element = etree.Element("item", nsmap=_ENTRY_NAMESPACES)
    add(element, "title", content.title)
    add(element, "link", content.url)
    add(element, "guid", content.uri, isPermaLink="false")
    add(element, "pubDate", _rfc_822(content.published_at))
    for author in content.authors:
        add(element, f"{{{_DUBLIN_CORE}}}creator", author)
    for category in (content.section, *content.tags):
        add(element, "category", category)
    if content.summary:
        add(element, "description", html.escape(content.summary, quote=False))
    add(element, f"{{{_CONTENT}}}encoded", content.html)
    # RSS allows one enclosure, and only of a known length.
    for attachment in [one for one in content.attachments if one.size_bytes is not None][:1]:
        add(element, "enclosure", url=attachment.url, length=str(attachment.size_bytes), type=attachment.media_type)
    return _with_plain_title(_without_declarations(element, _ENTRY_NAMESPACES))


def _document(feed: Feed, entries: Sequence[bytes]) -> bytes:
    head = feed.head
    root = etree.Element("rss", version="2.0", nsmap=_NAMESPACES)
    channel = add(root, "channel")
    add(channel, "title", head.title)
    add(channel, "link", head.base_url + head.path)
    add(channel, "description", head.description)
    add(channel, "language", head.lang)
    add(channel, "lastBuildDate", _rfc_822(feed.modified_at))
    add_links(channel, feed, _NAME, _MEDIA_TYPE)
    if head.rsscloud and feed.archive is None:
        _add_cloud(channel, head.base_url)
    return with_entries(_with_plain_title(etree.tostring(root, encoding="UTF-8")), entries, b"</channel></rss>")


def _add_cloud(channel: etree._Element, base_url: str) -> None:
    """Tell where rssCloud readers ask for notifications; the element has no place for the scheme but the port."""
    address = urlsplit(base_url)
    port = address.port or {"http": 80, "https": 443}[address.scheme]
    where = {"domain": address.hostname or "", "port": str(port), "path": f"{address.path}{RSSCLOUD_PATH}"}
    add(channel, "cloud", **where, registerProcedure="", protocol="http-post")


def _rfc_822(moment: datetime) -> str:
    """Return the moment as RSS writes it, in English whatever the language."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def _with_plain_title(xml: bytes) -> bytes:
    """
    Return the element with its first title's `&` and `<` as hexadecimal references.

    The RSS profile found that readers agree on these alone in a plain-text title.
    """
    before, end, after = xml.partition(b"</title>")
    before = before.replace(b"&amp;", b"&#x26;").replace(b"&lt;", b"&#x3C;").replace(b"&gt;", b"&#x3E;")
    return before + end + after


def _without_declarations(element: etree._Element, namespaces: Mapping[str, str]) -> bytes:
    """Return the element as bytes to stand in a document that declares the namespaces already."""
    xml = etree.tostring(element, encoding="UTF-8")
    for prefix, name in namespaces.items():
        # The first declaration is in the start tag, as lxml writes it. A later one is part of the item's text.
        xml = xml.replace(f' xmlns:{prefix}="{name}"'.encode(), b"", 1)
    return xml


RSS = FeedFormat(_NAME, "RSS", _MEDIA_TYPE, has_archives=True, entry=_entry, document=_document)
