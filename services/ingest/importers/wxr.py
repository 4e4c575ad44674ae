"""WordPress's export file (WXR): posts and pages that are public."""

from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from services.ingest.importers import base
from services.ingest.importers.base import Defaults, Importer, RefusedEntry, SkippedEntry, SourceEntry

_CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"
_CREATOR = "{http://purl.org/dc/elements/1.1/}creator"
_NEVER_SET = "0000-00-00 00:00:00"


def read(file: Path, defaults: Defaults) -> Iterator[SourceEntry]:
    """Yield the posts and pages of the file, an entry in memory at a time."""
    try:
        # No entities, no network: the file may come from anywhere.
        for _, entry in etree.iterparse(
            str(file), tag="item", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
        ):
            yield _entry(entry, defaults)
            entry.clear()
            while entry.getprevious() is not None:
                del entry.getparent()[0]
    except etree.XMLSyntaxError as error:
        yield RefusedEntry(file.name, f"is not XML from here on: {error}")


IMPORTER = Importer(
    name="wxr",
    help="a WordPress export",
    read=read,
    suffixes=(".xml", ".rss", ".wxr"),
    media_types=("application/xml", "text/xml", "application/rss+xml"),
    recognises=lambda beginning: b"wordpress.org/export/" in beginning,
)


def _entry(entry: etree._Element, defaults: Defaults) -> SourceEntry:
    post = _wordpress(entry, "post_id")
    origin = f"post {post or '?'}"
    kind, status = _wordpress(entry, "post_type"), _wordpress(entry, "status")
    if kind not in ("post", "page"):
        return SkippedEntry(origin, f"is of the kind {kind}")
    if status != "publish":
        return SkippedEntry(origin, f"is not public but {status}")
    if not post:
        return RefusedEntry(origin, "has no post_id")
    categories = [one for one in entry.findall("category") if one.text]
    names = [one.text or "" for one in categories]
    slugs = [one.get("nicename") or "" for one in categories]
    written = _wordpress(entry, "post_date_gmt")
    return base.item_entry(
        origin,
        defaults,
        f"wordpress-{post}",
        {
            "section": defaults.section_for(names + slugs),
            "title": base.one_line(entry.findtext("title")) or f"Post {post}",
            "summary": base.summary(entry.findtext(_excerpt_tag(entry))),
            "body": base.clean(entry.findtext(_CONTENT) or "") or "<p></p>",
            "body_format": "html",
            "published_at": None if written in ("", _NEVER_SET) else base.moment(written),
            "tags": base.tags([one.text or "" for one in categories if one.get("domain") == "post_tag"]),
            "authors": [name for name in [base.one_line(entry.findtext(_CREATOR))] if name],
            "slug": base.slug(_wordpress(entry, "post_name")),
        },
    )


def _wordpress(entry: etree._Element, name: str) -> str:
    """Return WordPress's own field; its namespace carries the version of the export."""
    for child in entry:
        tag = str(child.tag)
        if tag.endswith(f"}}{name}") and "wordpress.org/export" in tag:
            return (child.text or "").strip()
    return ""


def _excerpt_tag(entry: etree._Element) -> str:
    tags = (str(child.tag) for child in entry)
    return next((tag for tag in tags if "/excerpt/" in tag), "excerpt")
