"""rssCloud for readers that speak no WebSub: `POST /rsscloud/pleaseNotify`, by http-post."""

from collections.abc import Sequence
from datetime import timedelta
from xml.sax.saxutils import quoteattr

from fastapi import APIRouter, Request, Response

from services.notify.websub.hub import HubDoors, read_form
from services.notify.websub.requests import HubRefused, checked_callback, form_fields, new_request_number
from services.notify.websub.subscriptions import FeedRequest, feed_subscription_id
from shared.model.errors import Unavailable
from shared.model.urls import RSSCLOUD_PATH

# Readers register again every 24 hours; the hour more is for those that are late.
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


class RssCloud:
    """
    Takes registrations in.

    Each becomes a subscription like WebSub's, verified by a challenge; it is told that a feed has changed, not what is
    in it. A registration must name its `domain`: the caller's own address, which rssCloud takes otherwise, gets no
    challenge, so that anybody could have a machine called that never asked for it.
    """

    def __init__(self, doors: HubDoors) -> None:
        self._doors = doors

    async def register(self, form: bytes) -> None:
        """Register a callback for feeds. Raises HubRefused or Unavailable."""
        for one in self._registrations(form_fields(form)):
            await self._doors.ask(one)
        self._doors.on_work()

    def _registrations(self, fields: Sequence[tuple[str, str]]) -> Sequence[FeedRequest]:
        said = dict(fields)
        if said.get("protocol") != "http-post":
            raise HubRefused("protocol can only be http-post")
        if not said.get("domain"):
            raise HubRefused("domain is missing: the host that is to be told, and that will be asked to confirm")
        path = "/" + said.get("path", "").lstrip("/")
        callback = checked_callback(f"http://{said['domain']}:{said.get('port') or 80}{path}", self._doors.guard)
        topics = [value for name, value in fields if name.startswith("url") and name[3:].isdigit()]
        if not 0 < len(topics) <= _MAX_TOPICS:
            raise HubRefused(f"give one to {_MAX_TOPICS} feeds: url1, url2, …")
        return [self._registration(topic, callback) for topic in topics]

    def _registration(self, url: str, callback: str) -> FeedRequest:
        path = self._doors.topics.path_of(url)
        topic = self._doors.topics.read(path) if path is not None else None
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
            number=new_request_number(),
        )


def _result(message: str, *, success: bool) -> Response:
    said = "true" if success else "false"
    content = f'<?xml version="1.0"?>\n<notifyResult success="{said}" msg={quoteattr(message)}/>\n'
    return Response(content, media_type="text/xml")
