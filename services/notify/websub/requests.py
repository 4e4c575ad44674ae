"""The requests that the hub takes (WebSub, section 5.1); every other request is refused in plain text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from urllib.parse import parse_qsl, quote

from services.notify.channels.base import MAX_URL_CHARS
from shared.egress.address_guard import AddressGuard, url_problem
from shared.model.errors import Refused

MAX_BODY_BYTES = 64 * 1024
# "MUST be less than 200 bytes in length" (section 5.1).
_SECRET_BELOW_BYTES = 200
_MAX_FIELDS = 200
_UNRESERVED = re.compile(r"%(2D|2E|5F|7E|3[0-9]|4[1-9A-F]|5[0-9A]|6[1-9A-F]|7[0-9A])", re.IGNORECASE)
# The characters that a URL may hold as they are; spaces, controls and all that is not ASCII are encoded.
_LEFT_AS_IT_IS = "%:/?#[]@!$&'()*+,;=-._~"
_Mode = Literal["subscribe", "unsubscribe"]


class HubRefused(Refused):
    """A request that the hub cannot take; the answer has the reason in plain text (section 5.1.2)."""


@dataclass(frozen=True)
class SubscribeForm:
    """A request to subscribe or to unsubscribe."""

    mode: _Mode
    topic: str
    callback: str
    lease: timedelta | None = None
    secret: str | None = None


@dataclass(frozen=True)
class PublishForm:
    """A publisher's message that these topics have changed."""

    topics: tuple[str, ...]


def parse_request(body: bytes, guard: AddressGuard) -> SubscribeForm | PublishForm:
    """Return the request that a form makes; unknown parameters are ignored. Raises HubRefused."""
    fields = form_fields(body)
    mode = _one(fields, "hub.mode")
    match mode:
        case "subscribe" | "unsubscribe":
            return _subscribe_form(mode, fields, guard)
        case "publish":
            topics = [value for name, value in fields if name in ("hub.url", "hub.topic") and value]
            if not topics:
                raise HubRefused("hub.mode=publish needs hub.url or hub.topic: the feed that has changed")
            return PublishForm(tuple(decoded(topic) for topic in topics))
        case _:
            raise HubRefused(f'hub.mode is "{mode}": it can be subscribe, unsubscribe or publish')


def form_fields(body: bytes) -> Sequence[tuple[str, str]]:
    """Return the names and values of a form in UTF-8. Raises HubRefused."""
    try:
        return parse_qsl(
            body.decode(), keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=_MAX_FIELDS
        )
    except ValueError as error:
        raise HubRefused("the body must be application/x-www-form-urlencoded in UTF-8") from error


def decoded(url: str) -> str:
    """Return the URL with its non-reserved characters decoded (section 5.1.1; RFC 3986, section 2.4), in ASCII."""
    plain = _UNRESERVED.sub(lambda found: chr(int(found[1], 16)), url.strip())
    return quote(plain, safe=_LEFT_AS_IT_IS)


def checked_callback(url: str, guard: AddressGuard) -> str:
    """Return the callback as it will be called. Raises HubRefused for a callback that could never be called."""
    callback = decoded(url)
    if len(callback) > MAX_URL_CHARS:
        raise HubRefused(f"the callback has more than {MAX_URL_CHARS} characters")
    problem = url_problem(callback, guard)
    if problem is not None:
        raise HubRefused(f"the callback {problem}")
    return callback


def _subscribe_form(mode: _Mode, fields: Sequence[tuple[str, str]], guard: AddressGuard) -> SubscribeForm:
    topic = decoded(_one(fields, "hub.topic"))
    if len(topic) > MAX_URL_CHARS:
        raise HubRefused(f"hub.topic has more than {MAX_URL_CHARS} characters")
    callback = checked_callback(_one(fields, "hub.callback"), guard)
    if mode == "unsubscribe":
        return SubscribeForm(mode, topic, callback)
    secret = _one_or_none(fields, "hub.secret") or None
    if secret is not None and len(secret.encode()) >= _SECRET_BELOW_BYTES:
        raise HubRefused(f"hub.secret must have less than {_SECRET_BELOW_BYTES} bytes")
    return SubscribeForm(mode, topic, callback, _lease(_one_or_none(fields, "hub.lease_seconds")), secret)


def _lease(value: str | None) -> timedelta | None:
    if not value:
        return None
    if not (value.isascii() and value.isdigit()):
        raise HubRefused("hub.lease_seconds must be a number of seconds in decimal digits")
    # More digits than a century needs would overflow a timedelta.
    return timedelta(seconds=int(value[:10]))


def _one(fields: Sequence[tuple[str, str]], name: str) -> str:
    value = _one_or_none(fields, name)
    if not value:
        raise HubRefused(f"{name} is missing")
    return value


def _one_or_none(fields: Sequence[tuple[str, str]], name: str) -> str | None:
    values = [value for one, value in fields if one == name]
    if len(values) > 1:
        raise HubRefused(f"{name} is given {len(values)} times: which one is meant?")
    return values[0] if values else None
