"""Which reader a file or an address wants."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from services.ingest.importers import feeds, markdown, ninjs, tables, wxr
from services.ingest.importers.base import Defaults, Found, FoundItem, Skipped

Format = Literal["auto", "feed", "markdown", "ndjson", "csv", "wxr", "ninjs"]

_BEGINNING_BYTES = 4096


@dataclass(frozen=True)
class Opened:
    """What there is to import; `validators` are kept once all of it was taken in."""

    found: Iterator[Found]
    validators: feeds.Validators | None = None
    is_unchanged: bool = False


def open_source(where: str, chosen: Format, defaults: Defaults, known: feeds.Validators) -> Opened:
    """Return what stands at an address or in a file. Raises OSError, httpx.HTTPError, or ValueError for neither."""
    if where.startswith(("http://", "https://")):
        fetched = feeds.fetch(where, known)
        if fetched.content is None:
            return Opened(iter(()), known, is_unchanged=True)
        return Opened(each_once(feeds.read(fetched.content, defaults, where)), fetched.validators)
    path = Path(where)
    read = _READERS[format_of(path) if chosen == "auto" else chosen]
    return Opened(each_once(read(path, defaults)))


def each_once(found: Iterator[Found]) -> Iterator[Found]:
    """Yield what was found, an item of one identity once: of two, the second would undo the first in every import."""
    seen = set[bytes]()
    for one in found:
        if isinstance(one, FoundItem):
            identity = f"{one.item['source']}/{one.item['external_id']}"
            # Sixteen bytes each, whatever the names: a table may have a million lines.
            digest = hashlib.blake2b(identity.encode(), digest_size=16).digest()
            if digest in seen:
                yield Skipped(one.origin, f"repeats {identity}")
                continue
            seen.add(digest)
        yield one


def _read_feed(path: Path, defaults: Defaults) -> Iterator[Found]:
    return feeds.read(path.read_bytes(), defaults)


_READERS: Mapping[Format, Callable[[Path, Defaults], Iterator[Found]]] = {
    "feed": _read_feed,
    "markdown": markdown.read,
    "ndjson": tables.read_ndjson,
    "csv": tables.read_csv,
    "wxr": wxr.read,
    "ninjs": ninjs.read,
}


def format_of(path: Path) -> Format:
    """Return the format of a file, by its name and how it begins."""
    if path.is_dir():
        return "markdown"
    match path.suffix.lower():
        case ".csv":
            return "csv"
        case ".ndjson" | ".jsonl":
            return "ndjson"
        case ".json":
            return _json_format(path)
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING_BYTES)
    return "wxr" if b"wordpress.org/export/" in beginning else "feed"


def _json_format(path: Path) -> Format:
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        return "ninjs"
    first = content[0] if isinstance(content, list) and content else content
    return "ninjs" if isinstance(first, dict) and ninjs.looks_like(first) else "feed"
