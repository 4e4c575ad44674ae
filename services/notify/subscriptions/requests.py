"""What callers may ask of subscriptions, and everything that is wrong with it at once."""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from services.notify.model.subscription import KNOWN_TYPES
from services.notify.subscriptions.signing import signing_key
from shared.egress.address_guard import AddressGuard, url_problem
from shared.http.errors import field_errors
from shared.model.errors import FieldError, Invalid, Malformed, TooLarge

MAX_BODY_BYTES = 64 * 1024
MAX_URL_CHARS = 2048
_MAX_HEADERS = 20
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{0,1000}")
# What the request or the connection is made of, what Standard Webhooks says, and what would pass for someone else.
_OUR_HEADERS = frozenset(
    {
        *("host", "connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "expect", "date", "via"),
        *("user-agent", "traceparent", "tracestate", "cookie", "forwarded", "accept-encoding"),
    }
)
_OUR_HEADER_PREFIXES = ("webhook-", "content-", "proxy-", "x-forwarded-", "sec-")

Words = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(max_length=100)]


_Model = TypeVar("_Model", bound=BaseModel)


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FilterRequest(_Request):
    """Which events are wanted; an empty list wants everything."""

    types: Words = ()
    langs: Words = ()
    sections: Words = ()
    tags: Words = ()
    sources: Words = ()

    @field_validator("types")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [one for one in value if one not in KNOWN_TYPES]
        if unknown:
            raise ValueError(f"unknown: {', '.join(unknown)}; known: {', '.join(KNOWN_TYPES)}")
        return value

    @field_validator("sections")
    @classmethod
    def _without_slashes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(section.strip("/") for section in value)


class SubscriptionPatch(_Request):
    """What may be changed; what is left out stays. `headers` are replaced as a whole."""

    url: Annotated[str | None, Field(max_length=MAX_URL_CHARS)] = None
    filter: FilterRequest | None = None
    ordered: bool | None = None
    max_per_second: Annotated[int | None, Field(ge=1, le=1000)] = None
    headers: Annotated[Mapping[str, str] | None, Field(max_length=_MAX_HEADERS)] = None
    description: Annotated[str | None, Field(max_length=500)] = None
    contact: Annotated[str | None, Field(max_length=500)] = None

    @field_validator("headers")
    @classmethod
    def _not_ours(cls, value: Mapping[str, str] | None) -> Mapping[str, str] | None:
        problems = [problem for name, text in (value or {}).items() if (problem := _header_problem(name, text))]
        if problems:
            raise ValueError("; ".join(problems))
        return value

    @model_validator(mode="after")
    def _not_emptied(self) -> Self:
        for name in ("url", "filter", "ordered", "headers"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} cannot be null: leave it out to keep it")
        return self


class SubscriptionRequest(SubscriptionPatch):
    """A new subscription."""

    url: Annotated[str, Field(max_length=MAX_URL_CHARS)]
    filter: FilterRequest = FilterRequest()
    ordered: bool = False
    headers: Annotated[Mapping[str, str], Field(max_length=_MAX_HEADERS)] = Field(default_factory=dict)
    secret: Annotated[str | None, Field(max_length=200)] = None
    ping: bool = False
    """Whether a test delivery is sent at once."""

    @field_validator("secret")
    @classmethod
    def _usable(cls, value: str | None) -> str | None:
        if value is not None:
            signing_key(value)
        return value


class ResumeRequest(_Request):
    """Where to go on: behind this place in the log, instead of the one that was kept."""

    after: Annotated[str | None, Field(pattern=r"^\d{1,15}-\d{1,10}$")] = None


class RotateRequest(_Request):
    """A new secret (made by us unless given), and for how long the old one signs too."""

    secret: Annotated[str | None, Field(max_length=200)] = None
    keep_old_for_hours: Annotated[int, Field(ge=0, le=7 * 24)] = 24

    @field_validator("secret")
    @classmethod
    def _usable(cls, value: str | None) -> str | None:
        if value is not None:
            signing_key(value)
        return value


def parse(model: type[_Model], body: bytes, guard: AddressGuard) -> _Model:
    """Return what the body asks for. Raises Malformed, TooLarge, or Invalid with every field that is wrong."""
    parsed, problems = _parsed(model, body)
    problems += _url_problems(body, guard, problems)
    if problems or parsed is None:
        raise Invalid("the request breaks the rules", errors=problems)
    return parsed


def parse_plain(model: type[_Model], body: bytes) -> _Model:
    """Return what a body without a URL asks for. Raises as `parse` does."""
    parsed, problems = _parsed(model, body)
    if parsed is None:
        raise Invalid("the request breaks the rules", errors=problems)
    return parsed


def _parsed(model: type[_Model], body: bytes) -> tuple[_Model | None, tuple[FieldError, ...]]:
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge(f"the body has more than {MAX_BODY_BYTES} bytes")
    try:
        return model.model_validate_json(body or b"{}"), ()
    except ValidationError as error:
        if any(found["type"] == "json_invalid" for found in error.errors()):
            raise Malformed("the body is not JSON in UTF-8") from error
        return None, field_errors(error)


def _url_problems(body: bytes, guard: AddressGuard, found: tuple[FieldError, ...]) -> tuple[FieldError, ...]:
    """Look at the URL even when other fields are wrong, so that everything is said at once."""
    asked = json.loads(body) if body else {}
    url = asked.get("url") if isinstance(asked, dict) else None
    if not isinstance(url, str) or any(error.pointer == "/url" for error in found):
        return ()
    problem = url_problem(url, guard)
    return (FieldError("/url", problem),) if problem else ()


def _header_problem(name: str, value: str) -> str | None:
    lowered = name.lower()
    if not _HEADER_NAME.fullmatch(name):
        return f'"{name[:100]}" is not a header name'
    if not _HEADER_VALUE.fullmatch(value):
        return f'the value of "{name}" is not printable ASCII of at most 1,000 characters'
    if lowered in _OUR_HEADERS or lowered.startswith(_OUR_HEADER_PREFIXES):
        return f'"{name}" is set by the sender'
    return None
