"""rssCloud for readers that speak no WebSub: `POST /rsscloud/pleaseNotify`, by http-post."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from xml.sax.saxutils import quoteattr

from fastapi import APIRouter, Request, Response

from services.notify.websub.hub import read_form
from services.notify.websub.requests import HubRefused, checked_callback, form_fields
from services.notify.websub.subscriptions import FeedRequest, feed_subscription_id
from services.notify.websub.topics import TopicReader
from shared.egress.address_guard import AddressGuard
from shared.model.errors import Unavailable
from shared.model.urls import RSSCLOUD_PATH

# Readers register again every 24 hours; one hour more is for late ones.
_LEASE = timedelta(hours=25)
_MAX_TOPICS = 20


def rsscloud_router(rsscloud: "RssCloud") -> APIRouter:
    """Return the route of rssCloud."""
    router = APIRouter(include_in_schema=False)

    @router.post(RSSCLOUD_PATH)
    async def please_notify(request: Request) -> Response:
        try:
            await rsscloud.register(await read_form(request))
        except (HubRefused, Unavailable) as error:
            return _result(str(error), success=False)
        return _result("registered for 25 hours once the callback has repeated the challenge", success=True)

    return router


@dataclass(frozen=True, kw_only=True)
class RssCloud:
    """
    Takes registrations in.

    Each becomes a subscription like WebSub's, which its callback confirms by repeating a challenge. It is told that a
    feed has changed, and is not sent the feed. A registration must name its `domain`. rssCloud's other way, which takes
    the caller's own address, asks for no challenge, so anybody could have a machine called that never asked for it.
    """

    keep_request: Callable[[FeedRequest], Awaitable[None]]
    on_work: Callable[[], None]
    topics: TopicReader
    guard: AddressGuard

    async def register(self, form: bytes) -> None:
        """Register a callback for feeds. Raises HubRefused or Unavailable."""
        for one in self._registrations(form_fields(form)):
            await self.keep_request(one)
        self.on_work()

    def _registrations(self, fields: Sequence[tuple[str, str]]) -> Sequence[FeedRequest]:
        values = dict(fields)
        if values.get("protocol") != "http-post":
            raise HubRefused("protocol can only be http-post")
        if not values.get("domain"):
            raise HubRefused("domain is missing: the host that is to be told, and that will be asked to confirm")
        path = "/" + values.get("path", "").lstrip("/")
        callback = checked_callback(f"http://{values['domain']}:{values.get('port') or 80}{path}", self.guard)
        topics = [value for name, value in fields if name.startswith("url") and name[3:].isdigit()]
        if not 0 < len(topics) <= _MAX_TOPICS:
            raise HubRefused(f"give one to {_MAX_TOPICS} feeds: url1, url2, …")
        return [self._registration(topic, callback) for topic in topics]

    def _registration(self, url: str, callback: str) -> FeedRequest:
        topic = self.topics.named(url)
        if topic is None:
            raise HubRefused(f"{url} is no feed of this site")
        return FeedRequest(
            id=feed_subscription_id("rsscloud", url, callback),
            mode="subscribe",
            protocol="rsscloud",
            topic=url,
            path=topic.path,
            callback=callback,
            lease_seconds=int(_LEASE.total_seconds()),
            digest=topic.digest,
        )


def _result(message: str, *, success: bool) -> Response:
    succeeded = "true" if success else "false"
    content = f'<?xml version="1.0"?>\n<notifyResult success="{succeeded}" msg={quoteattr(message)}/>\n'
    return Response(content, media_type="text/xml")
