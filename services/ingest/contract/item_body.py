"""The bodies that upstream systems may send, with their rules."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from shared.model.items import BodyFormat, Revision, UpdateType, WithdrawMode
from shared.model.kinds.kind import SectionKind
from shared.model.site_file import Site
from shared.model.urls import slug_problem
from shared.text.characters import line_problem, text_problem

MAX_BODY_BYTES = 1024 * 1024
_FIXED_FIELDS = Revision.model_fields.keys() | {"source", "external_id"}

Source = Annotated[str, Field(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$")]
ExternalId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._~:@+-]{1,200}$")]
Tag = Annotated[str, Field(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$")]
_TRANSLATION_SET = r"^[A-Za-z0-9._~:@+-]{1,200}$"
_MEDIA_TYPE = r"^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$"

# What a page path (`yyyy`) and a feed's date can carry, in any time zone.
_YEARS = range(1001, 9999)


def _one_line(value: str) -> str:
    problem = line_problem(value)
    if problem:
        raise ValueError(problem)
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


def _clean(value: str) -> str:
    problem = text_problem(value)
    if problem:
        raise ValueError(problem)
    return value


def _web_address(value: str) -> str:
    """An https address, or a path of this site."""
    if not _is_path(value) and not _is_address(value, {"https"}):
        raise ValueError('must be an https:// address, or a path of this site that begins with "/"')
    return _one_line(value)


def _target(value: str) -> str:
    """The target of a redirect: any address of the web, or a path of this site."""
    if not _is_path(value) and not _is_address(value, {"http", "https"}):
        raise ValueError('must be an http(s):// address, or a path of this site that begins with "/"')
    return _one_line(value)


def _is_path(value: str) -> bool:
    # A browser reads `\\` as `/`, so that `/\\host` would leave the site.
    return value.startswith("/") and not value.startswith("//") and "\\" not in value and " " not in value


def _is_address(value: str, schemes: set[str]) -> bool:
    parts = urlsplit(value)
    is_clean = "\\" not in value and " " not in value
    return is_clean and parts.scheme in schemes and bool(parts.hostname) and parts.username is None


Line = Annotated[str, AfterValidator(_one_line), AfterValidator(_not_blank)]
Text = Annotated[str, AfterValidator(_clean)]
WebAddress = Annotated[str, Field(max_length=2048), AfterValidator(_web_address)]
Target = Annotated[str, Field(max_length=2048), AfterValidator(_target)]
Name = Annotated[Line, Field(max_length=200)]


class _RequestBody(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ImageBody(_RequestBody):
    url: WebAddress
    alt: Annotated[str, Field(max_length=1000), AfterValidator(_one_line)]
    caption: Annotated[Line, Field(max_length=1000)] | None = None
    credit: Name | None = None
    width: Annotated[int, Field(gt=0, le=100_000)] | None = None
    height: Annotated[int, Field(gt=0, le=100_000)] | None = None


class AttachmentBody(_RequestBody):
    url: WebAddress
    title: Annotated[Line, Field(max_length=300)]
    media_type: Annotated[str, Field(pattern=_MEDIA_TYPE)]
    size_bytes: Annotated[int, Field(ge=0)] | None = None


class ItemBody(_RequestBody):
    """
    An item as PUT takes it. Every field that is left out has its default: PUT replaces the whole item.

    Rules that need the site file are checked here too (context `site`), so that one answer lists everything.
    """

    # `body_for` adds a field for what an item may carry for each kind of section.

    lang: str
    section: str
    title: Annotated[Line, Field(max_length=500)]
    summary: Annotated[Text, Field(max_length=2000)] | None = None
    body: Annotated[Text, AfterValidator(_not_blank)]
    body_format: BodyFormat = "text"
    publish_at: AwareDatetime | None = None
    published_at: AwareDatetime | None = None
    tags: Annotated[tuple[Tag, ...], Field(max_length=20)] = ()
    slug: Annotated[str, Field(max_length=200)] | None = None
    translation_set: Annotated[str, Field(pattern=_TRANSLATION_SET)] | None = None
    update_type: UpdateType = "major"
    change_note: Annotated[Text, Field(max_length=1000)] | None = None
    authors: Annotated[tuple[Name, ...], Field(max_length=20)] = ()
    place: Name | None = None
    images: Annotated[tuple[ImageBody, ...], Field(max_length=50)] = ()
    attachments: Annotated[tuple[AttachmentBody, ...], Field(max_length=50)] = ()

    @property
    def kind_data(self) -> Mapping[str, object] | None:
        """What was sent for kinds of sections whose data has no field of its own in a revision."""
        names = self.model_fields_set - _FIXED_FIELDS
        sent = self.model_dump(mode="json", include=names, exclude_none=True) if names else {}
        return sent or None

    @field_validator("lang")
    @classmethod
    def _language_of_the_site(cls, value: str, info: ValidationInfo) -> str:
        site = _site(info)
        if site is not None and value not in site.languages:
            raise ValueError(f"this site has no such language; it has {', '.join(site.languages)}")
        return value

    @field_validator("section")
    @classmethod
    def _section_of_the_site(cls, value: str, info: ValidationInfo) -> str:
        site = _site(info)
        if site is not None and value not in site.section_at:
            raise ValueError(f"this site has no such section; it has {', '.join(site.section_at)}")
        return value

    @field_validator("published_at", "publish_at")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        """The same moment in another zone is the same item."""
        if value is None:
            return None
        if value.year not in _YEARS:
            raise ValueError(f"the year must be one of {_YEARS.start} to {_YEARS.stop - 1}")
        return value.astimezone(UTC)

    @field_validator("published_at")
    @classmethod
    def _not_in_the_future(cls, value: datetime | None, info: ValidationInfo) -> datetime | None:
        now = (info.context or {}).get("now")
        held_until = info.data.get("publish_at")
        if value is not None and now is not None and value > (held_until or now):
            raise ValueError("lies in the future: use publish_at to hold the item back until then")
        return value

    @field_validator("tags")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(value))

    @field_validator("slug")
    @classmethod
    def _slug(cls, value: str | None) -> str | None:
        problem = slug_problem(value) if value is not None else None
        if problem:
            raise ValueError(problem)
        return value


class IdentifiedItemBody(ItemBody):
    """An item as POST takes it: with its identity."""

    source: Source
    external_id: ExternalId


Body = TypeVar("Body", bound=ItemBody)


def body_for(model: type[Body], kinds: Iterable[SectionKind]) -> type[Body]:
    """Return the model with a field for the data of each kind, under the kind's name."""
    # Any: pydantic's own form
    fields: Any = {kind.name: (_data_body(kind.name, kind.data) | None, None) for kind in kinds if kind.data}
    return create_model(model.__name__, __doc__=model.__doc__, __base__=model, **fields)


def _data_body(name: str, data: type[BaseModel]) -> type[BaseModel]:
    """Return the kind's data as it may be sent: no other field, and each text in one line that is not empty."""
    lines = field_validator("*")(_line_if_text)
    return create_model(f"{name.title()}Body", __base__=(data, _RequestBody), __validators__={"lines": lines})


def _line_if_text(value: object) -> object:
    return _not_blank(_one_line(value)) if isinstance(value, str) else value


def _site(info: ValidationInfo) -> Site | None:
    site: Any = (info.context or {}).get("site")  # Any: pydantic's context is untyped
    return site if isinstance(site, Site) else None


class WithdrawalBody(_RequestBody):
    """How an item ends: `gone` says so, `redirect` sends readers to `to`, `notice` keeps the page under a notice."""

    mode: WithdrawMode = "gone"
    to: Target | None = None
    notice: Annotated[Text, Field(max_length=2000), AfterValidator(_not_blank)] | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """Each mode has what it needs, and nothing that would be ignored."""
        if (self.mode == "redirect") != (self.to is not None):
            raise PydanticCustomError("withdrawal", "`to` belongs to the mode redirect, and must be there")
        if (self.mode == "notice") != (self.notice is not None):
            raise PydanticCustomError("withdrawal", "`notice` belongs to the mode notice, and must be there")
        return self


class PreviewBody(_RequestBody):
    """Which revision to show (the newest), and for how long."""

    revision: Annotated[int, Field(ge=1)] | None = None
    expires_in: Annotated[int, Field(ge=60, le=30 * 86_400)] = 86_400
    """Seconds."""
