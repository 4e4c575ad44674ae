"""Read a request on the hot path: its raw bytes, its headers, and nothing else."""

import re
from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from services.ingest.contract.item_body import MAX_BODY_BYTES
from shared.http.errors import field_errors
from shared.model.errors import Invalid, Malformed, Refused, TooLarge, UnsupportedMediaType
from shared.model.ids import new_trace_id
from shared.runtime.tracing import current_trace_id

Small = TypeVar("Small", bound=BaseModel)

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


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
    """Return the body of a call that may have none: then everything has its default."""
    raw = await json_bytes(request)
    try:
        return model.model_validate_json(raw or b"{}")
    except ValidationError as error:
        raise refusal_of(error) from error


def refusal_of(error: ValidationError) -> Refused:
    """Return the refusal of a body: not JSON at all, or JSON that breaks rules, every one of them listed."""
    if any(found["type"] == "json_invalid" for found in error.errors()):
        return Malformed(f"the body is not JSON in UTF-8: {error.errors()[0]['ctx']['error']}")
    return Invalid("the body breaks the rules listed in errors", errors=field_errors(error))


def if_match(request: Request) -> int | None:
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
