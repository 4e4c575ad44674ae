"""NDJSON: a JSON object a line, an item each."""

import json
from collections.abc import Iterator
from pathlib import Path

from services.ingest.importers.base import Defaults, Importer, RefusedEntry, SourceEntry, line_entry


def read(file: Path, defaults: Defaults) -> Iterator[SourceEntry]:
    """Yield the items of a file with a JSON object a line; what a line says wins over the defaults."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            origin = f"line {number}"
            try:
                item = json.loads(line)
            except ValueError as error:
                yield RefusedEntry(origin, f"is not JSON: {error}")
                continue
            yield line_entry(origin, item, defaults)


def read_items(file: Path, defaults: Defaults) -> Iterator[SourceEntry]:
    """Yield the items of a JSON file, with one or a list of them, or of an NDJSON file."""
    try:
        whole = json.loads(file.read_bytes())
    except ValueError:
        yield from read(file, defaults)
        return
    for number, item in enumerate(whole if isinstance(whole, list) else [whole], start=1):
        yield line_entry(f"{file.name}, item {number}", item, defaults)


IMPORTER = Importer(
    name="ndjson",
    help="NDJSON, an item a line",
    read=read,
    suffixes=(".ndjson", ".jsonl"),
    media_types=("application/x-ndjson", "application/ndjson", "application/jsonl"),
)
