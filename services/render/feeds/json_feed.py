"""JSON Feed 1.1; `next_url` leads to the next older document."""

import json
from collections.abc import Sequence

from services.render.feeds.entries import EntryContent
from services.render.feeds.feed import Feed, FeedFormat
from shared.model.clock import iso
from shared.model.urls import hub_url

_NAME = "json"


def _entry(content: EntryContent) -> bytes:
    attachments = [
        _present(url=one.url, mime_type=one.media_type, title=one.title, size_in_bytes=one.size_bytes)
        for one in content.attachments
    ]
    entry = _present(
        id=content.uri,
        url=content.url,
        title=content.title,
        summary=content.summary,
        content_html=content.html,
        image=content.image_url,
        date_published=iso(content.published_at),
        date_modified=iso(content.modified_at),
        authors=[{"name": author} for author in content.authors] or None,
        tags=[content.section, *content.tags],
        language=content.lang,
        attachments=attachments or None,
    )
    return json.dumps(entry, ensure_ascii=False).encode()


def _document(feed: Feed, entries: Sequence[bytes]) -> bytes:
    head = feed.head
    about = _present(
        version="https://jsonfeed.org/version/1.1",
        title=head.title,
        home_page_url=head.base_url + head.path,
        feed_url=feed.url(_NAME),
        description=head.description,
        language=head.lang,
        authors=[{"name": head.publisher}],
        hubs=[{"type": "WebSub", "url": hub_url(head.base_url)}],
        next_url=head.url(_NAME, feed.prev_archive) if feed.prev_archive is not None else None,
    )
    start = json.dumps(about, ensure_ascii=False).encode().removesuffix(b"}")
    return start + b', "items": [\n' + b",\n".join(entries) + b"\n]}\n"


def _present(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


# RFC 5005 is about Atom, and RSS borrows it; JSON Feed has no archives.
JSON_FEED = FeedFormat(
    _NAME, "JSON Feed", "application/feed+json", has_archives=False, entry=_entry, document=_document
)
