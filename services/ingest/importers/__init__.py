"""Importers: each reads one format that other systems export, and turns its entries into items that PUT takes."""

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from services.ingest.importers import csv_table, feed, markdown, ndjson, ninjs, wxr
from services.ingest.importers.base import Defaults, Importer, ItemEntry, SkippedEntry, SourceEntry
from services.ingest.importers.fetching import Validators, fetch

# The feed stands last: it reads what no other importer fits or recognises.
IMPORTERS: tuple[Importer, ...] = (
    markdown.IMPORTER,
    csv_table.IMPORTER,
    ndjson.IMPORTER,
    wxr.IMPORTER,
    ninjs.IMPORTER,
    feed.IMPORTER,
)

_BEGINNING_BYTES = 65_536


@dataclass(frozen=True)
class ImportSource:
    """What there is to import; `validators` are kept once all of it was taken in."""

    entries: Iterator[SourceEntry]
    validators: Validators | None = None
    is_unchanged: bool = False


@contextlib.contextmanager
def opened(
    where: str, defaults: Defaults, known: Validators, importers: Sequence[Importer] = IMPORTERS
) -> Iterator[ImportSource]:
    """
    Yield the entries of an address, a file or a folder; of several importers the fitting one reads it.

    Raises OSError or UnreadableSourceError, also while the entries are read.
    """
    if not where.startswith(("http://", "https://")):
        yield ImportSource(_entries(Path(where), "", defaults, importers))
        return
    with tempfile.TemporaryDirectory(prefix="clarion-") as folder:
        file = Path(folder) / f"fetched{PurePosixPath(urlsplit(where).path).suffix}"
        answer = fetch(where, known, file)
        if answer is None:
            yield ImportSource(iter(()), known, is_unchanged=True)
            return
        defaults = replace(defaults, address=where)
        yield ImportSource(_entries(file, answer.media_type, defaults, importers), answer.validators)


def importer_for(file: Path, media_type: str, importers: Sequence[Importer]) -> Importer:
    """Return the importer that fits the file; of several the first that recognises its beginning, else the last."""
    fitting = [one for one in importers if one.fits(file, media_type)] or importers
    if len(fitting) == 1:
        return fitting[0]
    with file.open("rb") as content:
        beginning = content.read(_BEGINNING_BYTES)
    return next((one for one in fitting if one.recognises(beginning)), fitting[-1])


def _entries(file: Path, media_type: str, defaults: Defaults, importers: Sequence[Importer]) -> Iterator[SourceEntry]:
    """Yield an item of one identity once: of two, the second would undo the first in every import."""
    seen = set[bytes]()
    for entry in importer_for(file, media_type, importers).read(file, defaults):
        if isinstance(entry, ItemEntry):
            identity = f"{entry.item['source']}/{entry.item['external_id']}"
            # Sixteen bytes each, whatever the names: a table may have a million lines.
            digest = hashlib.blake2b(identity.encode(), digest_size=16).digest()
            if digest in seen:
                yield SkippedEntry(entry.origin, f"repeats {identity}")
                continue
            seen.add(digest)
        yield entry
