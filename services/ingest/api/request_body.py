"""Read a request on the hot path: its raw bytes, the item in them, and its headers."""

import re
from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from services.ingest.contract.item_body import MAX_BODY_BYTES, Body, IdentifiedItemBody, ItemBody, body_for
from services.ingest.publishing.rules import Actor
from shared.http.api_keys import ApiKey
from shared.http.errors import field_errors
from shared.model.errors import Invalid, Malformed, Refused, TooLarge, UnsupportedMediaType
from shared.model.ids import new_trace_id
from shared.model.site_file import Site
from shared.runtime.tracing import current_trace_id
from shared.store.item_store import ItemStore

Small = TypeVar("Small", bound=BaseModel)

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


class ItemReader:
    """Turns bytes into item bodies, checked against the site and the store's clock."""

    def __init__(self, store: ItemStore, site: Site) -> None:
        self._store = store
        self._site = site
        self._item = body_for(ItemBody, site.kinds)
        self._identified_item = body_for(IdentifiedItemBody, site.kinds)

    async def item(self, raw: bytes) -> ItemBody:
        """Return the item. Raises Malformed, or Invalid with everything that is wrong with it."""
        return await self._read(self._item, raw)

    async def identified_item(self, raw: bytes) -> IdentifiedItemBody:
        """Return the item with its identity. Raises the same."""
        return await self._read(self._identified_item, raw)

    async def _read(self, model: type[Body], raw: bytes) -> Body:
        context = {"site": self._site, "now": await self._store.now()}
        try:
            return model.model_validate_json(raw, context=context)
        except ValidationError as error:
            raise _refusal_of(error) from error


async def json_bytes(request: Request) -> bytes:
    """Return the body. Raises UnsupportedMediaType, or TooLarge as soon as the limit is passed."""
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType(f"send application/json, not {media_type}")
    too_large = TooLarge(f"an item may have {MAX_BODY_BYTES} bytes at most")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > MAX_BODY_BYTES:
        raise too_large
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY_BYTES:
            raise too_large
    return bytes(raw)


async def small_body(model: type[Small], request: Request) -> Small:
    """Return the body of a call that may have no body: then every field has its default."""
    raw = await json_bytes(request)
    try:
        return model.model_validate_json(raw or b"{}")
    except ValidationError as error:
        raise _refusal_of(error) from error


def _refusal_of(error: ValidationError) -> Refused:
    """Return the refusal of a body: not JSON at all, or JSON that breaks rules, every one of them listed."""
    if any(found["type"] == "json_invalid" for found in error.errors()):
        return Malformed(f"the body is not JSON in UTF-8: {error.errors()[0]['ctx']['error']}")
    return Invalid("the body breaks the rules listed in errors", errors=field_errors(error))


def actor_of(key: ApiKey, request: Request) -> Actor:
    """Return who sends the request, and the revision that they know. Raises Invalid for an unreadable If-Match."""
    return Actor(key.name, trace_id(request), _if_match(request))


def _if_match(request: Request) -> int | None:
    """Return the revision that If-Match names, or None for none or `*`. Raises Invalid for anything else."""
    value = request.headers.get("if-match", "").strip()
    if value in ("", "*"):
        return None
    number = value.removeprefix("W/").strip('"')
    if not number.isdecimal():
        raise Invalid(f'If-Match must name a revision, such as "3", not {value}')
    return int(number)


def trace_id(request: Request) -> str:
    """Return the id of the caller's trace (W3C Trace Context), or a new one."""
    found = _TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
    return found.group(1) if found else current_trace_id() or new_trace_id()
