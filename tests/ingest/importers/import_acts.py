"""What tests do with importers: write a file, and read what is found in it."""

from collections.abc import Mapping
from pathlib import Path

from services.ingest.importers import ImportSource, opened
from services.ingest.importers.base import Defaults, ItemEntry, SourceEntry
from services.ingest.importers.fetching import Validators
from tests.ingest.importers import import_samples as samples

DEFAULTS = Defaults("press", "en", "news", {"Orders": "documents/orders", "Transport": "documents"})
NOTHING = Validators()


def a_folder(folder: Path, files: Mapping[str, str] = samples.MARKDOWN) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def a_file(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def entries_of(path: Path) -> list[SourceEntry]:
    return read_source(str(path))[1]


def read_source(where: str, known: Validators = NOTHING) -> tuple[ImportSource, list[SourceEntry]]:
    """Return a file or an address that was read to its end, and its entries."""
    with opened(where, DEFAULTS, known) as source:
        return source, list(source.entries)


def the_item(entries: list[SourceEntry]) -> dict[str, object]:
    return dict(next(one.item for one in entries if isinstance(one, ItemEntry)))
