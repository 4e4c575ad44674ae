"""The WebSub hub over HTTP: `POST /hub`, answered at once and in plain text."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from services.notify.subscriptions.secret_box import SecretBox
from services.notify.websub.requests import (
    MAX_BODY_BYTES,
    HubRefused,
    Ping,
    Wish,
    new_request_number,
    parse_request,
)
from services.notify.websub.subscriptions import FeedRequest, feed_subscription_id
from services.notify.websub.topics import TopicReader
from shared.egress.address_guard import AddressGuard
from shared.model.errors import Unavailable
from shared.model.urls import FEED_CONTENT_TYPES

_FORM = "application/x-www-form-urlencoded"
_RETRY_AFTER = {"Retry-After": "60"}
_NO_TOPIC = f"this is no feed of this site: topics end with {', '.join(f'feed.{name}' for name in FEED_CONTENT_TYPES)}"


@dataclass(frozen=True)
class Leases:
    """For how long a subscription lives."""

    shortest: timedelta
    usual: timedelta
    longest: timedelta

    def granted(self, asked: timedelta | None) -> timedelta:
        """Return the lease that a subscriber gets who asked for this."""
        return min(max(self.usual if asked is None else asked, self.shortest), self.longest)


@dataclass(frozen=True)
class HubDoors:
    """What the hub needs of the rest of the service."""

    ask: Callable[[FeedRequest], Awaitable[None]]
    """Keeps a request that is to be seen through."""
    look_again: Callable[[str], Awaitable[None]]
    """Has the feed at a path looked at for whoever wants it."""
    on_work: Callable[[], None]
    topics: TopicReader
    guard: AddressGuard


def hub_router(hub: "Hub") -> APIRouter:
    """Return the route of the hub."""
    router = APIRouter(tags=["websub"])

    @router.post("/hub", status_code=202, openapi_extra=_REQUEST_BODY)
    async def post(request: Request) -> PlainTextResponse:
        """Subscribe, unsubscribe, or say that a feed has changed (W3C WebSub)."""
        try:
            return PlainTextResponse(f"{await hub.on_form(await read_form(request))}\n", 202)
        except HubRefused as refused:
            return PlainTextResponse(f"{refused.detail}\n", refused.status)
        except Unavailable as error:
            return PlainTextResponse(f"{error}\n", 503, headers=_RETRY_AFTER)

    return router


class Hub:
    """Takes requests in. What comes of them is told to the callback, never to the caller (section 5.1.2)."""

    def __init__(self, doors: HubDoors, secret_box: SecretBox, leases: Leases) -> None:
        self._doors = doors
        self._secret_box = secret_box
        self._leases = leases
        # What was pushed on a publisher's word: nobody has to be asked twice about the same bytes.
        self._pinged: dict[str, str] = {}

    async def on_form(self, form: bytes) -> str:
        """Take a request in and return the answer in words. Raises HubRefused or Unavailable."""
        asked = parse_request(form, self._doors.guard)
        match asked:
            case Wish():
                await self._take(asked)
                return "accepted: the callback will be asked to confirm"
            case Ping():
                await self._on_ping(asked)
                return "accepted: what has changed is on its way"

    async def _take(self, wish: Wish) -> None:
        subscription_id = feed_subscription_id("websub", wish.topic, wish.callback)
        path = self._doors.topics.path_of(wish.topic)
        topic = self._doors.topics.read(path) if path is not None else None
        is_denied = wish.mode == "subscribe" and topic is None
        request = FeedRequest(
            id=subscription_id,
            mode="deny" if is_denied else wish.mode,
            topic=wish.topic,
            path=path or "",
            callback=wish.callback,
            sealed_secret=self._secret_box.seal(wish.secret, subscription_id) if wish.secret else None,
            lease_seconds=int(self._leases.granted(wish.lease).total_seconds()),
            digest=topic.digest if topic else "",
            reason=_NO_TOPIC if is_denied else "",
            number=new_request_number(),
        )
        await self._doors.ask(request)
        self._doors.on_work()

    async def _on_ping(self, ping: Ping) -> None:
        paths = [self._doors.topics.path_of(topic) for topic in ping.topics]
        if None in paths:
            raise HubRefused(_NO_TOPIC)
        for path in paths:
            topic = self._doors.topics.read(path) if path is not None else None
            if topic is not None and self._pinged.get(topic.path) != topic.digest:
                await self._doors.look_again(topic.path)
                self._pinged[topic.path] = topic.digest


async def read_form(request: Request) -> bytes:
    """Return the form that the request brings. Raises HubRefused."""
    media_type = request.headers.get("content-type", _FORM).partition(";")[0].strip().lower()
    if media_type != _FORM:
        raise HubRefused(f"the body must be {_FORM}, not {media_type}")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise HubRefused(f"the body has more than {MAX_BODY_BYTES} bytes")
    return body


_FIELDS = {
    "hub.mode": {"type": "string", "enum": ["subscribe", "unsubscribe", "publish"]},
    "hub.topic": {"type": "string", "format": "uri", "description": "The feed."},
    "hub.callback": {"type": "string", "format": "uri"},
    "hub.lease_seconds": {"type": "integer"},
    "hub.secret": {"type": "string", "description": "Less than 200 bytes: notifications are signed with it."},
}
_REQUEST_BODY = {
    "requestBody": {
        "required": True,
        "content": {_FORM: {"schema": {"type": "object", "properties": _FIELDS, "required": ["hub.mode"]}}},
    }
}
