"""IPTC ninjs 2: what news agencies send, one object, a list of them, or one a line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.ingest.importers import texts
from services.ingest.importers.base import Defaults, Found, Skipped, Unreadable, found_item

_FORMATS = {"text/html": "html", "text/markdown": "markdown", "text/plain": "text", "application/xhtml+xml": "html"}
_MAIN = ("main", "headline", "title", "body", None)

# Any, everywhere below: JSON whose fields are there or not.
Json = dict[str, Any]


def read(file: Path, defaults: Defaults) -> Iterator[Found]:
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
                yield Unreadable(f"line {number}", f"is not JSON: {error}")
    for number, one in enumerate(objects, start=1):
        yield _object(one, f"object {number}", defaults)


def looks_like(content: Json) -> bool:
    """Whether an object is a ninjs one."""
    return "uri" in content and ("headlines" in content or "bodies" in content)


def _object(found: Any, origin: str, defaults: Defaults) -> Found:
    if not isinstance(found, dict) or not found.get("uri"):
        return Unreadable(origin, "has no uri")
    status = found.get("pubstatus", "usable")
    if status != "usable":
        return Skipped(origin, f"is {status}")
    body = _main(found.get("bodies") or [])
    subjects = [str(one.get("name") or one.get("uri") or "") for one in found.get("subjects") or []]
    return found_item(
        origin,
        defaults,
        str(found["uri"]),
        {
            "lang": _language(found.get("language"), defaults),
            "section": defaults.section_for(subjects),
            "title": texts.one_line(_main(found.get("headlines") or []).get("value")),
            "summary": texts.summary(_main(found.get("descriptions") or []).get("value")),
            "body": texts.clean(str(body.get("value") or "")),
            "body_format": _FORMATS.get(str(body.get("contenttype") or "text/plain"), "text"),
            "published_at": texts.moment_if_any(found.get("contentcreated") or found.get("firstcreated")),
            "publish_at": texts.moment_if_any(found.get("embargoed")),
            "tags": texts.tags(subjects),
            "authors": [texts.one_line(one.get("byline")) for one in found.get("bylines") or [] if one.get("byline")],
            "place": texts.one_line(next((one["name"] for one in found.get("places") or [] if one.get("name")), "")),
            "slug": texts.slug(found.get("slug")),
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
        renditions = [each for each in one.get("renditions") or [] if texts.https(each.get("href"))]
        if one.get("type") != "picture" or not renditions:
            continue
        largest = max(renditions, key=lambda each: each.get("width") or 0)
        caption = texts.summary(_main(one.get("descriptions") or []).get("value"))
        size = {name: largest[name] for name in ("width", "height") if largest.get(name)}
        alt = texts.one_line(_main(one.get("headlines") or []).get("value"))
        caption_field = {"caption": " ".join(caption.split())[:1000]} if caption else {}
        yield {"url": texts.https(largest["href"]), "alt": alt, **caption_field, **size}
