"""
The full-text index: SQLite's FTS5 in one file that all replicas share, outside the web root.

Rows are numbered by the items' dates, so that the newest matches come first without sorting. Language and sections are
words of their own column, so that a question and its filters are one match.
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

# Changed whenever rows would be made in another way: the index is then begun anew.
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
class Question:
    """What is searched for, and where."""

    terms: Sequence[Term]
    lang: str | None = None
    section: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    """Published before this moment."""


@dataclass(frozen=True)
class IndexedText:
    """What the index has of an item."""

    state: str
    """Changes whenever the rest would."""
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
        # Written anew by a rebuild: a crash of the machine may lose the last rows, never tear the file.
        self._database.execute("PRAGMA synchronous = NORMAL")
        # What is freed is overwritten.
        self._database.execute("PRAGMA secure_delete = ON")
        with self.changing():
            if self._database.execute("PRAGMA user_version").fetchone() != (INDEX_VERSION,):
                self._begin_anew()

    def _begin_anew(self) -> None:
        for (name,) in self._database.execute(
            "SELECT name FROM sqlite_master WHERE name IN ('items', 'texts')"
        ).fetchall():
            self._database.execute(f"DROP TABLE {name}")
        for statement in filter(None, map(str.strip, _SCHEMA.split(";"))):
            self._database.execute(statement)
        self._database.execute(f"PRAGMA user_version = {INDEX_VERSION}")

    def close(self) -> None:
        self._database.close()

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Make what is done in the block one step."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def states(self, ids: Collection[ItemId]) -> Mapping[ItemId, str]:
        """Return at which state the index has each of the items that it has."""
        places = ",".join("?" * len(ids))
        rows = self._database.execute(f"SELECT id, state FROM items WHERE id IN ({places})", list(ids))  # noqa: S608
        return {ItemId(item_id): state for item_id, state in rows}

    def texts(self, ids: Collection[ItemId]) -> Mapping[ItemId, IndexedText]:
        """Return what the index has of each of the items that it has."""
        places = ",".join("?" * len(ids))
        rows = self._database.execute(f"{_CONTENTS} WHERE id IN ({places})", list(ids))
        return {ItemId(item_id): IndexedText(*text) for item_id, *text in rows}

    def ids(self, after: str, limit: int) -> Sequence[ItemId]:
        """Return the next ids in the index, in their order."""
        rows = self._database.execute("SELECT id FROM items WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
        return [ItemId(item_id) for (item_id,) in rows]

    def put(self, item: PublicItem) -> None:
        """Have the item in the index as it is now."""
        self.remove(item.item.id)
        text = text_of_item(item)
        place = self._free_place(to_ms(item.published_at))
        self._database.execute("INSERT INTO items VALUES (?, ?, ?)", (place, item.item.id, text.state))
        self._database.execute(
            "INSERT INTO texts (rowid, words, stems, facets) VALUES (?, ?, ?, ?)",
            (place, text.words, text.stems, text.facets),
        )

    def remove(self, item_id: ItemId) -> None:
        """Have the item in the index no more."""
        row = self._database.execute("DELETE FROM items WHERE id = ? RETURNING place", (item_id,)).fetchone()
        if row is not None:
            self._database.execute("DELETE FROM texts WHERE rowid = ?", row)

    def overwrite_removed(self) -> Iterator[None]:
        """
        Leave no word on disk of what was removed, in steps of some 30 ms. Raises OperationalError while others read.

        FTS5 keeps removed words until the segments that hold them are merged (SQLite FTS5, sections 6.7 and 6.8).
        """
        pages = -_PAGES_MERGED_AT_ONCE
        while True:
            before = self._database.total_changes
            self._database.execute("INSERT INTO texts (texts, rank) VALUES ('merge', ?)", (pages,))
            # The command itself is one change: no more means that nothing is left to merge.
            if self._database.total_changes - before < 2:
                break
            pages = _PAGES_MERGED_AT_ONCE
            yield
        is_busy, *_ = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            raise sqlite3.OperationalError("somebody reads what was removed")

    def _free_place(self, published_ms: int) -> int:
        first = published_ms * _ROWS_IN_ONE_MILLISECOND
        row = self._database.execute(
            "SELECT max(place) FROM items WHERE place >= ? AND place < ?", (first, first + _ROWS_IN_ONE_MILLISECOND)
        ).fetchone()
        return first if row[0] is None else int(row[0]) + 1

    def find(self, question: Question, limit: int, skip: int = 0) -> Sequence[ItemId]:
        """Return the items that have every term, newest first."""
        if not question.terms:
            return ()
        since = (question.since_ms or 0) * _ROWS_IN_ONE_MILLISECOND
        until = question.until_ms * _ROWS_IN_ONE_MILLISECOND if question.until_ms is not None else 1 << 62
        rows = self._database.execute(
            "SELECT rowid FROM texts WHERE texts MATCH ? AND rowid >= ? AND rowid < ? "
            "ORDER BY rowid DESC LIMIT ? OFFSET ?",
            (_match(question), since, until, limit, skip),
        ).fetchall()
        found = (self._database.execute("SELECT id FROM items WHERE place = ?", row).fetchone() for row in rows)
        return [ItemId(row[0]) for row in found if row is not None]


def state_of(item: PublicItem) -> str:
    """Return what changes whenever the item's rows would."""
    return f"{item.revision.number} {to_ms(item.published_at)} {to_ms(item.released_at)}"


def text_of_item(item: PublicItem) -> IndexedText:
    """Return what the index is to have of an item."""
    revision = item.revision
    body = printable(text_of(body_html(revision.body, revision.body_format)))
    words = list(words_of(" ".join((revision.title, revision.summary or "", *revision.tags, body))))
    stems = [stem(word, revision.lang) for word in words]
    return IndexedText(state_of(item), " ".join(words), " ".join(stems), " ".join(_facets(item)))


def digests(file: Path) -> Mapping[str, str]:
    """Return a digest of what the index in a file has of each item, by the item's id; nothing is changed by it."""
    if not file.exists():
        return {}
    address = f"{file.absolute().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS)) as index:
            if index.execute("PRAGMA user_version").fetchone() != (INDEX_VERSION,):
                return {}
            rows = index.execute(_CONTENTS)
            return {item_id: hashlib.blake2b("\0".join(text).encode()).hexdigest() for item_id, *text in rows}
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


def _match(question: Question) -> str:
    # What is quoted is letters and digits only: nothing of a question's is read as FTS5's own language.
    parts = []
    for term in question.terms:
        stems = " OR ".join(f'"{one}"' for one in sorted(term.stems))
        parts.append(f'(words : "{term.beginning}" * OR stems : ({stems}))')
    if question.lang is not None:
        parts.append(f'facets : "{_facet("lang", question.lang)}"')
    if question.section is not None:
        parts.append(f'facets : "{_facet("section", question.section)}"')
    return " AND ".join(parts)
