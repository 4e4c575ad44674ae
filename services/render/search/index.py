"""
The full-text index: SQLite's FTS5 in one file that all replicas share, outside the web root.

Row numbers rise with the items' dates, so that the newest matches come first without sorting. Language and sections are
words of a column of their own (facets), so that a query and its filters are one MATCH.
"""

import contextlib
import hashlib
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.render.text.stemming import Term, stem, words_of
from shared.model.clock import to_ms
from shared.model.errors import Unavailable
from shared.model.ids import ItemId
from shared.model.items import PublicItem
from shared.text.markup import body_html, printable, text_of

# To be raised when rows are made in another way: then the index is made anew.
INDEX_VERSION = 1
_ROWS_IN_ONE_MILLISECOND = 4096
_BUSY_SECONDS = 5
_PAGES_MERGED_AT_ONCE = 200

_SCHEMA = """
CREATE TABLE items (place INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, state TEXT NOT NULL);
CREATE VIRTUAL TABLE texts USING fts5 (words, stems, facets, detail = column, prefix = '2 3 4');
"""
_CONTENTS = "SELECT id, state, words, stems, facets FROM items JOIN texts ON texts.rowid = items.place"


@dataclass(frozen=True)
class IndexQuery:
    """The terms to find, and the filters."""

    terms: Sequence[Term]
    lang: str | None = None
    section: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    """Published before this moment."""


@dataclass(frozen=True)
class IndexRow:
    """What the index holds of an item."""

    version: str
    """Differs whenever the rest differs."""
    words: str
    stems: str
    facets: str


class SearchIndex:
    """The index in its file."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(
            file, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        self._database.execute("PRAGMA journal_mode = WAL")
        # A crash of the machine may lose the last rows, which a rebuild writes again. It never tears the file.
        self._database.execute("PRAGMA synchronous = NORMAL")
        # Freed pages are overwritten with zeros.
        self._database.execute("PRAGMA secure_delete = ON")
        with self.transaction():
            if self._database.execute("PRAGMA user_version").fetchone() != (INDEX_VERSION,):
                self._recreate()

    def _recreate(self) -> None:
        for (name,) in self._database.execute(
            "SELECT name FROM sqlite_master WHERE name IN ('items', 'texts')"
        ).fetchall():
            self._database.execute(f"DROP TABLE {name}")
        for statement in filter(None, map(str.strip, _SCHEMA.split(";"))):
            self._database.execute(statement)
        self._database.execute(f"PRAGMA user_version = {INDEX_VERSION}")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the changes of the block atomic."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def versions(self, ids: Collection[ItemId]) -> Mapping[ItemId, str]:
        """Return the version of the row of each of the items that has one."""
        places = ",".join("?" * len(ids))
        rows = self._database.execute(f"SELECT id, state FROM items WHERE id IN ({places})", list(ids))  # noqa: S608
        return {ItemId(item_id): version for item_id, version in rows}

    def rows(self, ids: Collection[ItemId]) -> Mapping[ItemId, IndexRow]:
        """Return the row of each of the items that has one."""
        places = ",".join("?" * len(ids))
        rows = self._database.execute(f"{_CONTENTS} WHERE id IN ({places})", list(ids))
        return {ItemId(item_id): IndexRow(*columns) for item_id, *columns in rows}

    def ids(self, after: str, limit: int) -> Sequence[ItemId]:
        """Return the next ids in the index, in their order."""
        rows = self._database.execute("SELECT id FROM items WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
        return [ItemId(item_id) for (item_id,) in rows]

    def put(self, item: PublicItem) -> None:
        """Write the item's row as the item is now."""
        self.remove(item.item.id)
        row = row_of(item)
        place = self._free_place(to_ms(item.published_at))
        self._database.execute("INSERT INTO items VALUES (?, ?, ?)", (place, item.item.id, row.version))
        self._database.execute(
            "INSERT INTO texts (rowid, words, stems, facets) VALUES (?, ?, ?, ?)",
            (place, row.words, row.stems, row.facets),
        )

    def remove(self, item_id: ItemId) -> None:
        """Delete the item's row, if it has one."""
        row = self._database.execute("DELETE FROM items WHERE id = ? RETURNING place", (item_id,)).fetchone()
        if row is not None:
            self._database.execute("DELETE FROM texts WHERE rowid = ?", row)

    def overwrite_removed(self) -> Iterator[None]:
        """
        Overwrite the words of removed rows on the disk, in steps of 30 ms. Raises OperationalError while others read.

        FTS5 keeps removed words until the segments that hold them are merged (SQLite FTS5, sections 6.7 and 6.8).
        """
        pages = -_PAGES_MERGED_AT_ONCE
        while True:
            before = self._database.total_changes
            self._database.execute("INSERT INTO texts (texts, rank) VALUES ('merge', ?)", (pages,))
            # The command itself counts as one change. Less than two means that nothing is left to merge.
            if self._database.total_changes - before < 2:
                break
            pages = _PAGES_MERGED_AT_ONCE
            yield
        is_busy, *_ = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            raise sqlite3.OperationalError("another connection still reads removed rows")

    def _free_place(self, published_ms: int) -> int:
        first = published_ms * _ROWS_IN_ONE_MILLISECOND
        row = self._database.execute(
            "SELECT max(place) FROM items WHERE place >= ? AND place < ?", (first, first + _ROWS_IN_ONE_MILLISECOND)
        ).fetchone()
        return first if row[0] is None else int(row[0]) + 1

    def find(self, query: IndexQuery, limit: int, skip: int = 0) -> Sequence[ItemId]:
        """Return the items that have every term, newest first."""
        if not query.terms:
            return ()
        since = (query.since_ms or 0) * _ROWS_IN_ONE_MILLISECOND
        until = query.until_ms * _ROWS_IN_ONE_MILLISECOND if query.until_ms is not None else 1 << 62
        rows = self._database.execute(
            "SELECT rowid FROM texts WHERE texts MATCH ? AND rowid >= ? AND rowid < ? "
            "ORDER BY rowid DESC LIMIT ? OFFSET ?",
            (_match(query), since, until, limit, skip),
        ).fetchall()
        found = (self._database.execute("SELECT id FROM items WHERE place = ?", row).fetchone() for row in rows)
        return [ItemId(row[0]) for row in found if row is not None]


def version_of(item: PublicItem) -> str:
    """Return the version of the item's row: it differs whenever the row differs."""
    return f"{item.revision.number} {to_ms(item.published_at)} {to_ms(item.released_at)}"


def row_of(item: PublicItem) -> IndexRow:
    """Return what the index holds of an item."""
    revision = item.revision
    body = printable(text_of(body_html(revision.body, revision.body_format)))
    words = list(words_of(" ".join((revision.title, revision.summary or "", *revision.tags, body))))
    stems = [stem(word, revision.lang) for word in words]
    return IndexRow(version_of(item), " ".join(words), " ".join(stems), " ".join(_facets(item)))


def digests(file: Path) -> Mapping[str, str]:
    """Return a digest of each item's row in the index of a file, by the item's id. The file is only read."""
    if not file.exists():
        return {}
    address = f"{file.absolute().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS)) as index:
            if index.execute("PRAGMA user_version").fetchone() != (INDEX_VERSION,):
                return {}
            rows = index.execute(_CONTENTS)
            return {item_id: hashlib.blake2b("\0".join(columns).encode()).hexdigest() for item_id, *columns in rows}
    except sqlite3.Error as error:
        raise Unavailable(f"the search index {file} cannot be read: {error}") from error


def _facets(item: PublicItem) -> Iterator[str]:
    yield _facet("lang", item.revision.lang)
    segments = item.revision.section.split("/")
    for depth in range(len(segments)):
        yield _facet("section", "/".join(segments[: depth + 1]))


def _facet(kind: str, value: str) -> str:
    """Return one word for a filter: letters and digits only."""
    return kind + hashlib.sha256(value.encode()).hexdigest()[:16]


def _match(query: IndexQuery) -> str:
    # Only letters and digits stand between quotes, so that nothing a reader typed is read as FTS5's own language.
    parts = []
    for term in query.terms:
        stems = " OR ".join(f'"{one}"' for one in sorted(term.stems))
        parts.append(f'(words : "{term.beginning}" * OR stems : ({stems}))')
    if query.lang is not None:
        parts.append(f'facets : "{_facet("lang", query.lang)}"')
    if query.section is not None:
        parts.append(f'facets : "{_facet("section", query.section)}"')
    return " AND ".join(parts)
