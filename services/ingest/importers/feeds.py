"""RSS, Atom and JSON Feed, from an address or a file; an address is asked only for what changed."""

import calendar
import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import feedparser  # type: ignore[import-untyped]  # it has no types
import httpx

from services.ingest.importers import texts
from services.ingest.importers.base import Defaults, Found, Unreadable, found_item

_TIMEOUT_SECONDS = 30
_MOST_BYTES = 50 * 1024 * 1024
_ACCEPT = "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, */*;q=0.5"


class UnreadableFeedError(Exception):
    """What was fetched is no feed."""


@dataclass(frozen=True)
class Validators:
    """What a server said of the feed, to be asked for changes only."""

    etag: str | None = None
    modified: str | None = None

    def headers(self) -> dict[str, str]:
        known = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in known.items() if value}


@dataclass(frozen=True)
class Fetched:
    """A feed's bytes, or none where it did not change."""

    content: bytes | None
    validators: Validators


def fetch(url: str, known: Validators) -> Fetched:
    """Return what is at the address, unless it is what is known. Raises httpx.HTTPError or UnreadableFeedError."""
    headers = {"Accept": _ACCEPT, "User-Agent": "Clarion", **known.headers()}
    with httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=_TIMEOUT_SECONDS) as response:
        if response.status_code == httpx.codes.NOT_MODIFIED:
            return Fetched(None, known)
        response.raise_for_status()
        content = bytearray()
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > _MOST_BYTES:
                raise UnreadableFeedError(f"{url} has more than {_MOST_BYTES} bytes")
        validators = Validators(response.headers.get("etag"), response.headers.get("last-modified"))
        return Fetched(bytes(content), validators)


class ValidatorFile:
    """What servers said of feeds, kept in a file between runs."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def of(self, url: str) -> Validators:
        kept = self._read().get(url, {})
        return Validators(kept.get("etag"), kept.get("modified"))

    def keep(self, url: str, validators: Validators) -> None:
        """Remember them; only when everything that came with them was taken in."""
        kept = self._read()
        kept[url] = {"etag": validators.etag, "modified": validators.modified}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        beside = self._file.with_suffix(".new")
        beside.write_text(json.dumps(kept, indent=1))
        beside.replace(self._file)

    def _read(self) -> dict[str, Any]:  # Any: what the file holds
        try:
            kept: dict[str, Any] = json.loads(self._file.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return kept


def read(content: bytes, defaults: Defaults, url: str | None = None) -> Iterator[Found]:
    """Yield the entries of a feed that was found at `url`. Raises UnreadableFeedError where it is none."""
    content = content.removeprefix(codecs.BOM_UTF8)
    if content.lstrip()[:1] == b"{":
        yield from _json_feed(content, defaults, url)
        return
    feed = _parsed(content, url)
    if not feed.get("version") and not feed.entries:
        raise UnreadableFeedError(f"this is no feed: {feed.get('bozo_exception', 'no entries')}")
    base = url or feed.feed.get("link")
    if url is None and base:
        # A file does not tell where it was found; what the feed calls its site is next best.
        feed = _parsed(content, base)
    for number, entry in enumerate(feed.entries, start=1):
        yield _entry(entry, f"entry {number}", defaults, base)


def _parsed(content: bytes, base: str | None) -> Any:  # Any: see below
    # Bytes, so that it fetches nothing by itself; relative links are resolved from this header.
    return feedparser.parse(content, response_headers={"content-location": base} if base else {})


# Any, below: feedparser's entries and JSON, whose fields are there or not.
def _entry(entry: Any, origin: str, defaults: Defaults, base: str | None) -> Found:
    identity = entry.get("id") or entry.get("link")
    if not identity:
        return Unreadable(origin, "has neither an id nor a link")
    names = [tag.get("term") or "" for tag in entry.get("tags", [])]
    contents = [one.get("value") or "" for one in entry.get("content", [])]
    short = entry.get("summary") or ""
    body = max(contents, key=len, default="") or short
    # As a plain dictionary: feedparser answers for a date that is not there with another, and a warning.
    moment = dict.get(entry, "published_parsed") or dict.get(entry, "updated_parsed")
    return found_item(
        origin,
        defaults,
        identity,
        {
            "section": defaults.section_for(names),
            "title": texts.one_line(entry.get("title")) or texts.one_line(body)[:80],
            "summary": texts.summary(short) if contents and short != body else None,
            "body": texts.clean(body) or texts.one_line(entry.get("title")),
            "body_format": "html",
            "published_at": datetime.fromtimestamp(calendar.timegm(moment), UTC).isoformat() if moment else None,
            "tags": texts.tags(names),
            "authors": [name for one in entry.get("authors", []) if (name := texts.one_line(one.get("name")))],
            **_enclosures(entry.get("enclosures", []), base),
        },
    )


def _enclosures(found: list[Any], base: str | None) -> dict[str, object]:
    images, attachments = [], []
    for one in found:
        url, kind = texts.https(one.get("href") or one.get("url"), base), one.get("type") or one.get("mime_type") or ""
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


def _json_feed(content: bytes, defaults: Defaults, url: str | None) -> Iterator[Found]:
    try:
        feed = json.loads(content)
    except ValueError as error:
        raise UnreadableFeedError(f"this is no JSON Feed: {error}") from error
    if "jsonfeed.org" not in str(feed.get("version")):
        raise UnreadableFeedError("this is no JSON Feed: `version` does not name jsonfeed.org")
    base = url or feed.get("feed_url") or feed.get("home_page_url")
    for number, item in enumerate(feed.get("items") or [], start=1):
        yield _json_item(item, f"item {number}", defaults, base)


def _json_item(item: Any, origin: str, defaults: Defaults, base: str | None) -> Found:
    identity = str(item.get("id") or item.get("url") or "")
    if not identity:
        return Unreadable(origin, "has neither an id nor a url")
    markup = item.get("content_html")
    body = texts.with_whole_links(markup, base) if markup else item.get("content_text") or ""
    picture = texts.https(item.get("image") or item.get("banner_image"), base)
    pictures = [{"url": picture, "alt": ""}] if picture else []
    enclosed = _enclosures(item.get("attachments") or [], base)
    names = [str(tag) for tag in item.get("tags") or []]
    # Version 1.0 had one author.
    authors = item.get("authors") or [item.get("author") or {}]
    return found_item(
        origin,
        defaults,
        identity,
        {
            "lang": item.get("language") or defaults.lang,
            "section": defaults.section_for(names),
            "title": texts.one_line(item.get("title")) or texts.one_line(body)[:80],
            "summary": texts.summary(item.get("summary")),
            "body": texts.clean(body),
            "body_format": "html" if markup else "text",
            "published_at": texts.moment_if_any(item.get("date_published")),
            "tags": texts.tags(names),
            "authors": [texts.one_line(one.get("name")) for one in authors if one.get("name")],
            **(enclosed | ({"images": pictures} if pictures else {})),
        },
    )
