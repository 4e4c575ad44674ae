"""IPTC ninjs 2: what news agencies send, one object, a list of them, or one a line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.ingest.importers import base
from services.ingest.importers.base import Defaults, Importer, RefusedEntry, SkippedEntry, SourceEntry

_FORMATS = {"text/html": "html", "text/markdown": "markdown", "text/plain": "text", "application/xhtml+xml": "html"}
_MAIN = ("main", "headline", "title", "body", None)

# Any, everywhere below: JSON whose fields are there or not.
Json = dict[str, Any]


def read(file: Path, defaults: Defaults) -> Iterator[SourceEntry]:
    """Yield the objects of the file."""
    text = file.read_text(encoding="utf-8-sig")
    try:
        whole = json.loads(text)
        objects = whole if isinstance(whole, list) else [whole]
    except ValueError:
        objects = []
        for number, line in enumerate(text.splitlines(), start=1):
            try:
                objects += [json.loads(line)] if line.strip() else []
            except ValueError as error:
                yield RefusedEntry(f"line {number}", f"is not JSON: {error}")
    for number, one in enumerate(objects, start=1):
        yield _object(one, f"object {number}", defaults)


def recognises(beginning: bytes) -> bool:
    """Whether the JSON is ninjs: it has a uri, and headlines or bodies."""
    return b'"uri"' in beginning and (b'"headlines"' in beginning or b'"bodies"' in beginning)


IMPORTER = Importer(
    name="ninjs",
    help="IPTC ninjs 2, as news agencies send it",
    read=read,
    suffixes=(".json",),
    media_types=("application/json",),
    recognises=recognises,
)


def _object(found: Any, origin: str, defaults: Defaults) -> SourceEntry:
    if not isinstance(found, dict) or not found.get("uri"):
        return RefusedEntry(origin, "has no uri")
    status = found.get("pubstatus", "usable")
    if status != "usable":
        return SkippedEntry(origin, f"is {status}")
    body = _main(found.get("bodies") or [])
    subjects = [str(one.get("name") or one.get("uri") or "") for one in found.get("subjects") or []]
    return base.item_entry(
        origin,
        defaults,
        str(found["uri"]),
        {
            "lang": _language(found.get("language"), defaults),
            "section": defaults.section_for(subjects),
            "title": base.one_line(_main(found.get("headlines") or []).get("value")),
            "summary": base.summary(_main(found.get("descriptions") or []).get("value")),
            "body": base.clean(str(body.get("value") or "")),
            "body_format": _FORMATS.get(str(body.get("contenttype") or "text/plain"), "text"),
            "published_at": base.moment(found.get("contentcreated") or found.get("firstcreated")),
            "publish_at": base.moment(found.get("embargoed")),
            "tags": base.tags(subjects),
            "authors": [base.one_line(one.get("byline")) for one in found.get("bylines") or [] if one.get("byline")],
            "place": base.one_line(next((one["name"] for one in found.get("places") or [] if one.get("name")), "")),
            "slug": base.slug(found.get("slug")),
            "images": list(_images(found.get("associations") or [])),
        },
    )


def _main(parts: list[Json]) -> Json:
    """Return the part that stands for all: by its role, else the first."""
    return min(parts, key=lambda part: part.get("role") not in _MAIN, default={})


def _language(language: str | None, defaults: Defaults) -> str | None:
    # `en-GB` for a site in `en`.
    return language.partition("-")[0] if language else defaults.lang


def _images(associations: list[Json]) -> Iterator[Json]:
    for one in associations:
        renditions = [each for each in one.get("renditions") or [] if base.https(each.get("href"))]
        if one.get("type") != "picture" or not renditions:
            continue
        largest = max(renditions, key=lambda each: each.get("width") or 0)
        caption = base.summary(_main(one.get("descriptions") or []).get("value"))
        size = {name: largest[name] for name in ("width", "height") if largest.get(name)}
        alt = base.one_line(_main(one.get("headlines") or []).get("value"))
        caption_field = {"caption": " ".join(caption.split())[:1000]} if caption else {}
        yield {"url": base.https(largest["href"]), "alt": alt, **caption_field, **size}
