"""RSS, Atom and JSON Feed."""

import calendar
import codecs
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.ingest.importers import base
from services.ingest.importers.base import Defaults, Importer, RefusedEntry, SourceEntry, UnreadableSourceError


def read(file: Path, defaults: Defaults) -> Iterator[SourceEntry]:
    """Yield the entries of a feed. Raises UnreadableSourceError for a file that is no feed."""
    content = file.read_bytes().removeprefix(codecs.BOM_UTF8)
    if content.lstrip()[:1] == b"{":
        yield from _json_feed(content, defaults)
        return
    feed = _parsed(content, defaults.address)
    if not feed.get("version") and not feed.entries:
        raise UnreadableSourceError(f"this is no feed: {feed.get('bozo_exception', 'no entries')}")
    base_url = defaults.address or feed.feed.get("link")
    if base_url and not defaults.address:
        # A file does not tell where it was found; what the feed calls its site is next best.
        feed = _parsed(content, base_url)
    for number, entry in enumerate(feed.entries, start=1):
        yield _entry(entry, f"entry {number}", defaults, base_url)


IMPORTER = Importer(
    name="feed",
    help="RSS, Atom or JSON Feed, from a file or an address",
    read=read,
    suffixes=(".xml", ".rss", ".atom", ".rdf", ".json"),
    media_types=tuple(f"application/{kind}" for kind in ("rss+xml", "atom+xml", "xml", "feed+json", "json")),
)


def _parsed(content: bytes, base_url: str | None) -> Any:  # Any: see below
    import feedparser  # type: ignore[import-untyped]  # noqa: PLC0415 - it has no types; other commands start faster

    # feedparser fetches an address by itself, so it gets bytes. It resolves relative links against this header.
    return feedparser.parse(content, response_headers={"content-location": base_url} if base_url else {})


# Any, below: feedparser's entries and JSON, whose fields are there or not.
def _entry(entry: Any, origin: str, defaults: Defaults, base_url: str | None) -> SourceEntry:
    identity = entry.get("id") or entry.get("link")
    if not identity:
        return RefusedEntry(origin, "has neither an id nor a link")
    names = [tag.get("term") or "" for tag in entry.get("tags", [])]
    contents = [one.get("value") or "" for one in entry.get("content", [])]
    short = entry.get("summary") or ""
    body = max(contents, key=len, default="") or short
    # As a plain dictionary: feedparser answers for a date that is not there with another, and a warning.
    moment = dict.get(entry, "published_parsed") or dict.get(entry, "updated_parsed")
    return base.item_entry(
        origin,
        defaults,
        identity,
        {
            "section": defaults.section_for(names),
            "title": base.one_line(entry.get("title")) or base.one_line(body)[:80],
            "summary": base.summary(short) if contents and short != body else None,
            "body": base.clean(body) or base.one_line(entry.get("title")),
            "body_format": "html",
            "published_at": datetime.fromtimestamp(calendar.timegm(moment), UTC).isoformat() if moment else None,
            "tags": base.tags(names),
            "authors": [name for one in entry.get("authors", []) if (name := base.one_line(one.get("name")))],
            **_enclosures(entry.get("enclosures", []), base_url),
        },
    )


def _enclosures(found: list[Any], base_url: str | None) -> dict[str, object]:
    images, attachments = [], []
    for one in found:
        url, kind = (
            base.https(one.get("href") or one.get("url"), base_url),
            one.get("type") or one.get("mime_type") or "",
        )
        if url is None:
            continue
        if kind.startswith("image/"):
            images.append({"url": url, "alt": ""})
        elif "/" in kind:
            name = url.rstrip("/").rpartition("/")[2].partition("?")[0] or url
            size = str(one.get("length") or one.get("size_in_bytes") or "")
            size_bytes = {"size_bytes": int(size)} if size.isdecimal() and int(size) else {}
            attachments.append({"url": url, "title": name[:300], "media_type": kind.lower(), **size_bytes})
    return {"images": images, "attachments": attachments}


def _json_feed(content: bytes, defaults: Defaults) -> Iterator[SourceEntry]:
    try:
        feed = json.loads(content)
    except ValueError as error:
        raise UnreadableSourceError(f"this is no JSON Feed: {error}") from error
    if "jsonfeed.org" not in str(feed.get("version")):
        raise UnreadableSourceError("this is no JSON Feed: `version` does not name jsonfeed.org")
    base_url = defaults.address or feed.get("feed_url") or feed.get("home_page_url")
    for number, item in enumerate(feed.get("items") or [], start=1):
        yield _json_item(item, f"item {number}", defaults, base_url)


def _json_item(item: Any, origin: str, defaults: Defaults, base_url: str | None) -> SourceEntry:
    identity = str(item.get("id") or item.get("url") or "")
    if not identity:
        return RefusedEntry(origin, "has neither an id nor a url")
    markup = item.get("content_html")
    body = base.with_whole_links(markup, base_url) if markup else item.get("content_text") or ""
    picture = base.https(item.get("image") or item.get("banner_image"), base_url)
    pictures = [{"url": picture, "alt": ""}] if picture else []
    enclosed = _enclosures(item.get("attachments") or [], base_url)
    names = [str(tag) for tag in item.get("tags") or []]
    # Version 1.0 had one author.
    authors = item.get("authors") or [item.get("author") or {}]
    return base.item_entry(
        origin,
        defaults,
        identity,
        {
            "lang": item.get("language") or defaults.lang,
            "section": defaults.section_for(names),
            "title": base.one_line(item.get("title")) or base.one_line(body)[:80],
            "summary": base.summary(item.get("summary")),
            "body": base.clean(body),
            "body_format": "html" if markup else "text",
            "published_at": base.moment(item.get("date_published")),
            "tags": base.tags(names),
            "authors": [base.one_line(one.get("name")) for one in authors if one.get("name")],
            **(enclosed | ({"images": pictures} if pictures else {})),
        },
    )
