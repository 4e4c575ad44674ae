"""What all importers share: their description, what they find, and how they make foreign texts fit for an item."""

import hashlib
import html
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urljoin

import nh3
from slugify import slugify

from shared.model.errors import ClarionError
from shared.model.urls import slug_problem
from shared.text.characters import DIRECTION_MARKS, FORBIDDEN

_EXTERNAL_ID = re.compile(r"[A-Za-z0-9._~:@+-]{1,200}")
_TEXT_ONLY = nh3.Cleaner(tags=set())
_BLOCK_END = re.compile(r"</(?:p|div|li|h[1-6]|tr|blockquote)>|<br\s*/?>", re.IGNORECASE)
_MAX_TAGS = 20
_MAX_TITLE_CHARS = 500
_MAX_SUMMARY_CHARS = 2000


class UnreadableSourceError(ClarionError):
    """The source as a whole cannot be imported: it cannot be fetched, is too large, or has another format."""


@dataclass(frozen=True)
class Defaults:
    """What an import says where its source does not."""

    source: str
    lang: str | None = None
    section: str | None = None
    sections: Mapping[str, str] = field(default_factory=dict)
    """The section of the site for each category or tag of the source."""
    address: str | None = None
    """Where the file was fetched from: its relative links start there."""

    def section_for(self, categories: list[str]) -> str | None:
        """Return the section of the first category that has one, else the default."""
        return next((self.sections[one] for one in categories if one in self.sections), self.section)


@dataclass(frozen=True)
class ItemEntry:
    """An entry that is an item: as PUT takes it, identity included, and where it stands in the source."""

    origin: str
    item: Mapping[str, object]


@dataclass(frozen=True)
class RefusedEntry:
    """An entry that cannot be taken in, and why."""

    origin: str
    reason: str


@dataclass(frozen=True)
class SkippedEntry:
    """An entry that is not to be published, such as a draft."""

    origin: str
    reason: str


SourceEntry = ItemEntry | RefusedEntry | SkippedEntry


@dataclass(frozen=True, kw_only=True)
class Importer:
    """One format that `clarion import` reads."""

    name: str
    """What `--format` calls it."""
    help: str
    """What it reads, in a few words."""
    read: Callable[[Path, Defaults], Iterator[SourceEntry]]
    """Yields the entries of a file or folder. Raises OSError or UnreadableSourceError."""
    suffixes: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ()
    reads_folders: bool = False
    recognises: Callable[[bytes], bool] = lambda _: False
    """Whether a file that begins so has this format; asked where several importers share a suffix or a media type."""

    def fits(self, file: Path, media_type: str) -> bool:
        """Whether the importer reads such files, by their name and the media type they were served with."""
        if file.is_dir():
            return self.reads_folders
        return file.suffix.lower() in self.suffixes or media_type in self.media_types


def item_entry(origin: str, defaults: Defaults, identity: str, fields: Mapping[str, object]) -> ItemEntry:
    """Return the item with the defaults filled in; fields that are None or empty are left out."""
    chosen = {name: value for name, value in fields.items() if value not in (None, "", [], {})}
    return ItemEntry(origin, {**_given(defaults), "external_id": external_id(identity), **chosen})


def line_entry(origin: str, item: object, defaults: Defaults) -> SourceEntry:
    """Return an item that stands as PUT takes it; its fields are sent unchanged, so that the service judges them."""
    if not isinstance(item, dict):
        return RefusedEntry(origin, "is no object")
    if not item.get("external_id"):
        return RefusedEntry(origin, "has no external_id")
    return ItemEntry(origin, {**_given(defaults), **item, "external_id": str(item["external_id"])})


def _given(defaults: Defaults) -> dict[str, object]:
    given = {"source": defaults.source, "lang": defaults.lang, "section": defaults.section}
    return {name: value for name, value in given.items() if value}


def external_id(identity: str) -> str:
    """Return the identity as an external id, or a fingerprint of it where it cannot be one."""
    identity = identity.strip()
    if _EXTERNAL_ID.fullmatch(identity):
        return identity
    return hashlib.sha256(identity.encode()).hexdigest()[:40]


def one_line(markup: str | None) -> str:
    """Return the text of a title that may hold markup, as one line."""
    return " ".join(_text(markup or "").split())[:_MAX_TITLE_CHARS]


def summary(markup: str | None) -> str | None:
    """Return the text of a summary that may hold markup, or None."""
    lines = (" ".join(line.split()) for line in _text(_BLOCK_END.sub("\n", markup or "")).split("\n"))
    return "\n".join(line for line in lines if line)[:_MAX_SUMMARY_CHARS] or None


def _text(markup: str) -> str:
    return clean(DIRECTION_MARKS.sub("", html.unescape(_TEXT_ONLY.clean(markup))))


def clean(text: str) -> str:
    """Return the text without characters that no feed can carry."""
    return FORBIDDEN.sub("", unicodedata.normalize("NFC", text.replace("\r\n", "\n")))


def tags(names: list[str]) -> list[str]:
    """Return the names as tags, each once; a name that cannot be written in letters a-z and digits is dropped."""
    made = (slugify(name, max_length=64, word_boundary=True) for name in names)
    return list(dict.fromkeys(tag for tag in made if tag))[:_MAX_TAGS]


def slug(name: str | None) -> str | None:
    """Return the slug that the source chose, or None where this site cannot have it."""
    made = slugify(name or "", max_length=100)
    return made if slug_problem(made) is None else None


def moment(text: str | None) -> str | None:
    """Return the moment in ISO 8601, in UTC unless it has an offset. The service refuses a text that is no moment."""
    text = (text or "").strip()
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return text or None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).isoformat()


def with_whole_links(markup: str, base: str | None) -> str:
    """Return HTML whose relative links and images are resolved against `base`."""
    if base is None:
        return markup
    return nh3.clean(markup, url_relative=("rewrite_with_base", base), link_rel=None)


def https(url: str | None, base: str | None = None) -> str | None:
    """Return the address over https, resolved against `base` if it is relative, or None where there is none."""
    address = (url or "").strip()
    if address and base:
        address = urljoin(base, address)
    if address.startswith("http://"):
        address = "https://" + address.removeprefix("http://")
    return address if address.startswith("https://") and " " not in address else None
