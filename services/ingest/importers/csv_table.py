"""CSV: a row an item."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from services.ingest.importers.base import Defaults, Importer, RefusedEntry, SourceEntry, line_entry

_SEPARATORS = ",;\t"
_LISTS = frozenset({"tags", "authors"})
# A cell may hold a body of 1 MiB; the csv module allows 128 KiB unless told otherwise.
_MAX_CELL_CHARS = 2**21


def read(file: Path, defaults: Defaults) -> Iterator[SourceEntry]:
    """Yield the rows of a file whose first row names the fields; `document.number` names a field inside another."""
    csv.field_size_limit(_MAX_CELL_CHARS)
    with file.open(encoding="utf-8-sig", newline="") as text:
        try:
            names = text.readline()
            text.seek(0)
            # Spreadsheets write commas, semicolons or tabs, by the language of the desk.
            rows = csv.DictReader(text, delimiter=max(_SEPARATORS, key=names.count), strict=True)
            for row in rows:
                yield line_entry(f"line {rows.line_num}", _nested(row), defaults)
        except csv.Error as error:
            yield RefusedEntry(f"line {rows.line_num}", str(error))
        except UnicodeDecodeError as error:
            yield RefusedEntry(file.name, f"is not UTF-8 from here on: {error.reason}")


IMPORTER = Importer(
    name="csv",
    help="a CSV table whose first row names the fields",
    read=read,
    suffixes=(".csv",),
    media_types=("text/csv",),
)


def _nested(row: Mapping[str | None, str | list[str] | None]) -> dict[str, object]:
    item: dict[str, object] = {}
    for name, cell in row.items():
        if name is None or not isinstance(cell, str) or not cell.strip():
            continue
        outer, dot, inner = name.strip().partition(".")
        if dot:
            inside = item.setdefault(outer, {})
            if isinstance(inside, dict):
                inside[inner] = cell
        elif outer in _LISTS:
            item[outer] = [part.strip() for part in cell.split("|") if part.strip()]
        else:
            item[outer] = cell
    return item
