"""The bodies of requests about subscriptions; a refusal names every wrong field at once."""

import copy
from collections.abc import Mapping
from types import NoneType
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
)
from pydantic_core import from_json

from services.notify.channels.base import AnyChannel
from services.notify.channels.signing import signing_key
from services.notify.model.subscription import DEFAULT_KIND, KNOWN_TYPES, Filter, Subscription
from shared.egress.address_guard import AddressGuard
from shared.http.errors import field_errors
from shared.model.clock import iso
from shared.model.errors import FieldError, Invalid, Malformed, TooLarge

MAX_BODY_BYTES = 64 * 1024


def _usable(secret: str) -> str:
    signing_key(secret)
    return secret


Secret = Annotated[str, Field(max_length=200), AfterValidator(_usable)]
Words = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(max_length=100)]


_Model = TypeVar("_Model", bound=BaseModel)


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FilterRequest(Filter):
    """Which events match; an empty list matches all."""

    model_config = ConfigDict(extra="forbid")

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


class _CommonFields(_Request):
    """The fields that subscriptions of every channel have; the channel's target adds its own."""

    filter: FilterRequest = FilterRequest()
    ordered: bool = False
    max_per_second: Annotated[int | None, Field(ge=1, le=1000)] = None
    description: Annotated[str | None, Field(max_length=500)] = None
    contact: Annotated[str | None, Field(max_length=500)] = None


class SubscriptionPatch(_CommonFields):
    """The fields to change; a field that is left out stays as it is, and `headers` are replaced as a whole."""

    @field_validator("*", mode="before")
    @classmethod
    def _not_emptied(cls, value: object, field: ValidationInfo) -> object:
        name = field.field_name or ""
        if value is None and NoneType not in get_args(cls.model_fields[name].annotation):
            raise ValueError(f"{name} cannot be null: leave it out to keep it")
        return value


class SubscriptionRequest(_CommonFields):
    """A new subscription. `kind` names its channel; without a kind it is a webhook."""

    kind: str = DEFAULT_KIND
    secret: Secret | None = None
    ping: bool = False
    """Whether a test delivery is sent at once."""


class ResumeRequest(_Request):
    """Where to go on: behind this place in the log, instead of the place that was kept."""

    after: Annotated[str | None, Field(pattern=r"^\d{1,15}-\d{1,10}$")] = None


class RotateRequest(_Request):
    """A new secret, made here unless given, and how long the old secret signs beside it."""

    secret: Secret | None = None
    keep_old_for_hours: Annotated[int, Field(ge=0, le=7 * 24)] = 24


class SubscriptionBodies:
    """Reads and writes subscriptions as callers see them. The channel decides which fields there are."""

    def __init__(self, channels: Mapping[str, AnyChannel], guard: AddressGuard) -> None:
        self._channels = channels
        self._guard = guard
        self._requests = {kind: _request_model(channel) for kind, channel in channels.items()}
        self._patches = {kind: _patch_model(channel) for kind, channel in channels.items()}

    def request(self, body: bytes) -> SubscriptionRequest:
        """Return the new subscription that a body describes. Raises as `parse` does."""
        asked = _json(body)
        kind = asked.get("kind", DEFAULT_KIND) if isinstance(asked, dict) else DEFAULT_KIND
        if not isinstance(kind, str) or kind not in self._channels:
            known = ", ".join(self._channels)
            raise _invalid((FieldError("/kind", f"there is no channel of this kind; known: {known}"),))
        return self._parse(self._requests[kind], kind, body)

    def patch(self, body: bytes, kind: str) -> SubscriptionPatch:
        """Return the change that a body describes, for a subscription of this kind. Raises as `parse` does."""
        return self._parse(self._patches[kind], kind, body)

    def shown(self, subscription: Subscription) -> dict[str, object]:
        """Return a subscription as callers see it: no secrets, and only the part of its target that may be seen."""
        channel = self._channels.get(subscription.kind)
        return {
            "id": subscription.id,
            "kind": subscription.kind,
            "url": subscription.url,
            "filter": subscription.filter.model_dump(),
            "ordered": subscription.ordered,
            "max_per_second": subscription.max_per_second,
            **(channel.shown(subscription) if channel else {}),
            "description": subscription.description,
            "contact": subscription.contact,
            "owner": subscription.owner,
            "created_at": iso(subscription.created_at),
            "state": subscription.state,
            "state_since": iso(subscription.state_since),
            "state_reason": subscription.state_reason,
            "resume_from": subscription.resume_from,
            "secrets_in_use": len(subscription.secrets),
        }

    def schemas(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:  # Any: JSON
        """Return the schemas of requests and of patches for the documentation, one for each channel."""
        patches = [model.model_json_schema() for model in self._patches.values()]
        for field in (field for patch in patches for field in patch["properties"].values()):
            field.pop("default", None)
        return [model.model_json_schema() for model in self._requests.values()], patches

    def _parse(self, model: type[_Model], kind: str, body: bytes) -> _Model:
        parsed, problems = _parsed(model, body)
        # The address is checked even when other fields are wrong, so that one refusal names everything.
        asked = _json(body)
        url = asked.get("url") if isinstance(asked, dict) else None
        if isinstance(url, str) and not any(problem.pointer == "/url" for problem in problems):
            problem = self._channels[kind].url_problem(url, self._guard)
            problems += (FieldError("/url", problem),) if problem else ()
        if problems or parsed is None:
            raise _invalid(problems)
        return parsed


def parse(model: type[_Model], body: bytes) -> _Model:
    """Return the request that a body describes. Raises Malformed, TooLarge, or Invalid with every wrong field."""
    parsed, problems = _parsed(model, body)
    if parsed is None:
        raise _invalid(problems)
    return parsed


def _request_model(channel: AnyChannel) -> type[SubscriptionRequest]:
    kind: Any = (Literal[channel.kind], channel.kind)  # Any: a type that is made while the program runs
    return create_model("SubscriptionRequest", __base__=(SubscriptionRequest, channel.target), kind=kind)


def _patch_model(channel: AnyChannel) -> type[SubscriptionPatch]:
    optional: dict[str, Any] = {}  # Any: as above
    for name, info in channel.target.model_fields.items():
        field = copy.copy(info)
        field.default, field.default_factory = None, None
        optional[name] = (info.annotation, field)
    return create_model("SubscriptionPatch", __base__=(SubscriptionPatch, channel.target), **optional)


def _parsed(model: type[_Model], body: bytes) -> tuple[_Model | None, tuple[FieldError, ...]]:
    _json(body)
    try:
        return model.model_validate_json(body or b"{}"), ()
    except ValidationError as error:
        return None, field_errors(error)


def _json(body: bytes) -> object:
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge(f"the body has more than {MAX_BODY_BYTES} bytes")
    try:
        return from_json(body or b"{}")
    except ValueError as error:
        raise Malformed("the body is not JSON in UTF-8") from error


def _invalid(problems: tuple[FieldError, ...]) -> Invalid:
    return Invalid("the request breaks the rules", errors=problems)
