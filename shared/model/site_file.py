"""The site file (TOML): what the institution's site is called, speaks and consists of."""

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self
from zoneinfo import ZoneInfo, available_timezones

from babel import Locale, UnknownLocaleError
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from shared.model.errors import FieldError, Invalid, UnusableSiteFile
from shared.model.kinds.kind import SectionKind
from shared.model.kinds.section_kinds import SECTION_KINDS
from shared.model.urls import MAX_SEGMENT_CHARS, RESERVED_SEGMENTS

Words = Mapping[str, str]
"""A text per language."""

_SEGMENT = re.compile(r"[a-z][a-z0-9-]*")


def _kind_named(name: object, info: ValidationInfo) -> SectionKind:
    kinds: Sequence[SectionKind] = (info.context or {}).get("kinds", SECTION_KINDS)
    for kind in kinds:
        if name in (kind.name, kind):
            return kind
    raise ValueError(f"must be one of {', '.join(kind.name for kind in kinds)}")


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))


class Section(_Table):
    """A node of the site's tree."""

    path: str
    kind: Annotated[SectionKind, PlainValidator(_kind_named), PlainSerializer(lambda kind: kind.name, return_type=str)]
    name: Words
    latest: bool = False
    """Whether its newest items stand in the column beside every page."""

    @field_validator("path")
    @classmethod
    def _well_formed(cls, value: str) -> str:
        for segment in value.split("/"):
            if len(segment) > MAX_SEGMENT_CHARS:
                raise ValueError(f'"{segment}" is longer than {MAX_SEGMENT_CHARS} characters')
            if not _SEGMENT.fullmatch(segment) or segment in RESERVED_SEGMENTS:
                raise ValueError(f'"{segment}" cannot stand in a section path: use a-z, 0-9 and -, no reserved word')
        return value


class Organisation(_Table):
    """Who publishes the site."""

    name: Words
    url: str | None = None
    logo: str | None = None


class Link(_Table):
    """A link to a page outside the site."""

    label: Words
    url: str


class FeedRules(_Table):
    """How long the feeds are."""

    newest: Annotated[int, Field(ge=1, le=500)] = 20


class Site(_Table):
    """The whole site file."""

    title: Words
    timezone: str
    languages: Annotated[tuple[str, ...], Field(min_length=1)]
    sections: Annotated[tuple[Section, ...], Field(min_length=1)]
    description: Words = Field(default_factory=dict)
    organisation: Organisation | None = None
    links: tuple[Link, ...] = ()
    tags: Mapping[str, Words] = Field(default_factory=dict)
    feeds: FeedRules = FeedRules()
    folder: Path = Path()
    """Where the site file lies; `load_site` sets it, and the folders below are relative to it."""
    media: str | None = None
    """A folder of pictures and papers, served below /media/."""
    pages: str | None = None
    """A folder of standing pages in Markdown, one folder a language."""
    theme: str | None = None
    """A folder of templates, static files and words that replace the shipped ones."""

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f'"{value}" is not an IANA time zone, such as "Europe/Paris"')
        return value

    @field_validator("languages")
    @classmethod
    def _known_languages(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for language in value:
            try:
                Locale.parse(language, sep="-")
            except (ValueError, UnknownLocaleError) as error:
                raise ValueError(f'"{language}" is not a language tag, such as "fr"') from error
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        paths = [section.path for section in self.sections]
        for path in paths:
            if paths.count(path) > 1:
                raise ValueError(f'section "{path}" stands there twice')
            parent = path.rpartition("/")[0]
            if parent and parent not in paths:
                raise ValueError(f'section "{path}" has no parent: add a section "{parent}"')
        named: list[tuple[str, Words]] = [("title", self.title)]
        named += [(f'section "{section.path}"', section.name) for section in self.sections]
        for what, words in named:
            missing = [language for language in self.languages if not words.get(language)]
            if missing:
                raise ValueError(f"{what} has no text in {', '.join(missing)}")
        return self

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @cached_property
    def section_at(self) -> Mapping[str, Section]:
        """Every section by its path."""
        return {section.path: section for section in self.sections}

    @cached_property
    def kinds(self) -> Sequence[SectionKind]:
        """Every kind for which an item may carry data: in whichever section it stands, its page shows the data."""
        return tuple(dict.fromkeys((*SECTION_KINDS, *(section.kind for section in self.sections))))

    @cached_property
    def latest_sections(self) -> tuple[str, ...]:
        """The sections whose newest items stand beside every page."""
        return tuple(section.path for section in self.sections if section.latest)

    def has(self, lang: str, section: str) -> bool:
        """Whether the site has the language and the section: either may have been taken out since an item was sent."""
        return lang in self.languages and section in self.section_at

    def require_known(self, lang: str | None, section: str | None) -> None:
        """Raise Invalid unless the site has the language and the section, where a query names them."""
        wrong = [
            FieldError(f"/{name}", f"this site has {', '.join(known)}")
            for name, asked, known in (("lang", lang, self.languages), ("section", section, self.section_at))
            if asked is not None and asked not in known
        ]
        if wrong:
            raise Invalid("the query names what the site does not have", errors=tuple(wrong))

    @property
    def media_folder(self) -> Path | None:
        return self.folder / self.media if self.media else None

    @property
    def pages_folder(self) -> Path | None:
        return self.folder / self.pages if self.pages else None

    @property
    def theme_folder(self) -> Path | None:
        return self.folder / self.theme if self.theme else None

    @cached_property
    def fingerprint(self) -> str:
        """The same for two files that say the same."""
        return hashlib.sha256(self.model_dump_json(exclude={"folder"}).encode()).hexdigest()


def load_site(path: Path, kinds: Sequence[SectionKind] = SECTION_KINDS) -> Site:
    """
    Return the site that the file describes; its sections may be of these kinds.

    Raises UnusableSiteFile, whose message names the file, the key and the trouble.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UnusableSiteFile(f"{path}: there is no such file; CLARION_SITE_FILE names the site file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnusableSiteFile(f"{path}: not TOML: {error}") from error
    try:
        return Site.model_validate({**table, "folder": path.parent}, context={"kinds": kinds})
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, problem['loc'])) or 'the file'}: {_in_words(problem['type'], problem['msg'])}"
            for problem in error.errors()
        ]
        raise UnusableSiteFile(f"{path}: " + "; ".join(lines)) from error


def _in_words(kind: str, message: str) -> str:
    return "unknown key" if kind == "extra_forbidden" else message.removeprefix("Value error, ")
