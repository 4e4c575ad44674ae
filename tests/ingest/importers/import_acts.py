"""What tests do with importers: write a file, and read what is found in it."""

from collections.abc import Mapping
from pathlib import Path

from services.ingest.importers import choosing, feeds
from services.ingest.importers.base import Defaults, Found, FoundItem
from tests.ingest.importers import import_samples as samples

DEFAULTS = Defaults("press", "en", "news", {"Orders": "documents/orders", "Transport": "documents"})
NOTHING = feeds.Validators()


def a_folder(folder: Path, files: Mapping[str, str] = samples.MARKDOWN) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def a_file(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def found_in(path: Path) -> list[Found]:
    return list(choosing.open_source(str(path), "auto", DEFAULTS, NOTHING).found)


def the_item(found: list[Found]) -> dict[str, object]:
    return dict(next(one.item for one in found if isinstance(one, FoundItem)))
