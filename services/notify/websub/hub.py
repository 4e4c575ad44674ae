"""The WebSub hub over HTTP: `POST /hub`, answered at once and in plain text."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from services.notify.subscriptions.secret_box import SecretBox
from services.notify.websub.requests import (
    MAX_BODY_BYTES,
    HubRefused,
    PublishForm,
    SubscribeForm,
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
class LeaseLimits:
    """How long a subscription may last."""

    shortest: timedelta
    usual: timedelta
    longest: timedelta

    def granted(self, asked: timedelta | None) -> timedelta:
        """Return the lease for a subscriber that asked for `asked`."""
        return min(max(self.usual if asked is None else asked, self.shortest), self.longest)


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


@dataclass(frozen=True, kw_only=True)
class Hub:
    """Takes requests in. Their outcome goes to the callback, never to the caller (section 5.1.2)."""

    keep_request: Callable[[FeedRequest], Awaitable[None]]
    mark: Callable[[str], Awaitable[None]]
    """Has the feed at a path sent to the subscribers that do not have it yet."""
    on_work: Callable[[], None]
    topics: TopicReader
    guard: AddressGuard
    secret_box: SecretBox
    leases: LeaseLimits
    _published: dict[str, str] = field(default_factory=dict, init=False)
    """The digests of feeds that were marked because a publisher asked: the same bytes are not marked twice."""

    async def on_form(self, body: bytes) -> str:
        """Take a request in and return the answer in words. Raises HubRefused or Unavailable."""
        match form := parse_request(body, self.guard):
            case SubscribeForm():
                await self._on_subscribe(form)
                return "accepted: the callback will be asked to confirm"
            case PublishForm():
                await self._on_publish(form)
                return "accepted: what has changed is on its way"

    async def _on_subscribe(self, form: SubscribeForm) -> None:
        subscription_id = feed_subscription_id("websub", form.topic, form.callback)
        topic = self.topics.named(form.topic)
        is_denied = form.mode == "subscribe" and topic is None
        request = FeedRequest(
            id=subscription_id,
            mode="deny" if is_denied else form.mode,
            topic=form.topic,
            path=topic.path if topic else "",
            callback=form.callback,
            sealed_secret=self.secret_box.seal(form.secret, subscription_id) if form.secret else None,
            lease_seconds=int(self.leases.granted(form.lease).total_seconds()),
            digest=topic.digest if topic else "",
            reason=_NO_TOPIC if is_denied else "",
        )
        await self.keep_request(request)
        self.on_work()

    async def _on_publish(self, form: PublishForm) -> None:
        topics = [self.topics.named(url) for url in form.topics]
        if None in topics:
            raise HubRefused(_NO_TOPIC)
        for topic in filter(None, topics):
            if self._published.get(topic.path) != topic.digest:
                await self.mark(topic.path)
                self._published[topic.path] = topic.digest


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
