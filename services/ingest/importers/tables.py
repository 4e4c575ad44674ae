"""NDJSON and CSV: a line an item."""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from services.ingest.importers.base import Defaults, Found, FoundItem, Unreadable

_SEPARATORS = ",;\t"
_LISTS = frozenset({"tags", "authors"})
# A cell of a spreadsheet holds a body of 1 MiB, not csv's own 128 KiB.
_LONGEST_CELL = 2**21


def read_ndjson(file: Path, defaults: Defaults) -> Iterator[Found]:
    """Yield the items of a file with a JSON object a line; what a line says wins over the defaults."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            origin = f"line {number}"
            try:
                item = json.loads(line)
            except ValueError as error:
                yield Unreadable(origin, f"is not JSON: {error}")
                continue
            yield _item(origin, item, defaults)


def read_items(file: Path, defaults: Defaults) -> Iterator[Found]:
    """Yield the items of a JSON file, with one or a list of them, or of an NDJSON file."""
    try:
        whole = json.loads(file.read_bytes())
    except ValueError:
        yield from read_ndjson(file, defaults)
        return
    for number, item in enumerate(whole if isinstance(whole, list) else [whole], start=1):
        yield _item(f"{file.name}, item {number}", item, defaults)


def read_csv(file: Path, defaults: Defaults) -> Iterator[Found]:
    """Yield the rows of a file whose first row names the fields; `document.number` names a field inside another."""
    csv.field_size_limit(_LONGEST_CELL)
    with file.open(encoding="utf-8-sig", newline="") as text:
        try:
            names = text.readline()
            text.seek(0)
            # Spreadsheets separate by what the language of the desk leaves free.
            rows = csv.DictReader(text, delimiter=max(_SEPARATORS, key=names.count), strict=True)
            for row in rows:
                yield _item(f"line {rows.line_num}", _nested(row), defaults)
        except csv.Error as error:
            yield Unreadable(f"line {rows.line_num}", str(error))
        except UnicodeDecodeError as error:
            yield Unreadable(file.name, f"is not UTF-8 from here on: {error.reason}")


def _item(origin: str, item: object, defaults: Defaults) -> Found:
    if not isinstance(item, dict):
        return Unreadable(origin, "is no object")
    if not item.get("external_id"):
        return Unreadable(origin, "has no external_id")
    # What a line says is sent as it is, so that the service and not the importer judges it.
    given = {"source": defaults.source, "lang": defaults.lang, "section": defaults.section}
    filled_in = {name: value for name, value in given.items() if value is not None}
    return FoundItem(origin, {**filled_in, **item, "external_id": str(item["external_id"])})


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
