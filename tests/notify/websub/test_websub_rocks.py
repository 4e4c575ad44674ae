"""
The cases of websub.rocks for a hub, played against the whole of Clarion, and what we promise as a publisher (P1, P2).

An integrated hub is tested: the topic is the site's own feed, and publishing an item is what changes it. Case 105 wants
a topic that is plain text: Clarion has none, and tells so (H14); 106 is its JSON feed.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest
from aiohttp import web
from lxml import etree

from tests.clarion import Clarion
from tests.factories import an_item
from tests.notify.websub.parties import SECRET, Asked, Notified, Subscriber, a_subscriber
from tests.waiting import eventually

ATOM = "/en/news/feed.atom"


@dataclass
class Checker:
    """websub.rocks: a subscriber with the checks of its hub tests."""

    clarion: Clarion
    subscriber: Subscriber
    topic: str
    hub: str
    published: int = field(default=0)

    async def subscribe(self, mode: str = "subscribe", **more: str) -> Asked:
        asked = len(self.subscriber.asked)
        form = {"hub.mode": mode, "hub.topic": self.topic, "hub.callback": self.subscriber.url, **more}
        answer = await self.clarion.http.post(self.hub, data=form)
        assert answer.status_code == 202
        verification = (await self.subscriber.was_asked(asked + 1))[-1]
        assert (verification.mode, verification["hub.topic"]) == (mode, self.topic)
        assert verification["hub.challenge"]
        assert mode == "unsubscribe" or int(verification["hub.lease_seconds"]) > 0
        return verification

    async def publish(self) -> str:
        """Publish an item and wait until the feed lists it; return its title."""
        self.published += 1
        title = f"Item number {self.published}"
        await self.clarion.put(f"item-{self.published}", an_item(title=title))
        await eventually(lambda: self._lists(title), f"{title} in the feed")
        return title

    async def _lists(self, title: str) -> bool:
        return title in (await self.clarion.http.get(self.topic)).text

    async def notification_of(self, title: str) -> Notified:
        """Wait for a notification that tells of the item, and check it as websub.rocks does."""
        await eventually(
            lambda: any(title in one.body.decode() for one in self.subscriber.notified), f"a notification of {title}"
        )
        notified = self.subscriber.notified[-1]
        feed = await self.clarion.http.get(self.topic)
        assert notified.body.strip() == feed.content.strip()
        assert notified.headers["content-type"] == feed.headers["content-type"]
        assert notified.links == {"hub": self.hub, "self": self.topic}
        return notified


@pytest.fixture
async def checker(clarion: Clarion) -> AsyncIterator[Checker]:
    """A checker who has discovered hub and self from the feed's headers."""
    first = await clarion.put("first", an_item(title="The first"))
    await clarion.page(first["url"])
    await eventually(lambda: _is_there(clarion, ATOM), "the feed")
    async with a_subscriber() as subscriber:
        links = (await clarion.http.get(ATOM)).links
        yield Checker(clarion, subscriber, links["self"]["url"], links["hub"]["url"])


async def _is_there(clarion: Clarion, path: str) -> bool:
    return (await clarion.http.get(path)).status_code == httpx.codes.OK


async def test_100_a_typical_request_is_notified_without_a_signature(checker: Checker) -> None:
    await checker.subscribe()

    notified = await checker.notification_of(await checker.publish())

    assert "x-hub-signature" not in notified.headers


async def test_101_a_request_with_a_secret_is_notified_with_a_signature(checker: Checker) -> None:
    await checker.subscribe(**{"hub.secret": SECRET})

    notified = await checker.notification_of(await checker.publish())

    assert notified.is_signed_with(SECRET)


async def test_102_additional_parameters_do_no_harm(checker: Checker) -> None:
    await checker.subscribe(**{"foo": "bar", "hub.foo": "hub.bar"})

    await checker.notification_of(await checker.publish())


async def test_103_who_subscribes_again_is_notified_once(checker: Checker) -> None:
    await checker.subscribe()
    await checker.notification_of(await checker.publish())
    await checker.subscribe()
    before = len(checker.subscriber.notified)

    title = await checker.publish()

    await checker.notification_of(title)
    assert len(checker.subscriber.notified) == before + 1


async def test_104_who_unsubscribes_is_notified_no_more(checker: Checker) -> None:
    async with a_subscriber() as witness:
        await checker.subscribe()
        await checker.notification_of(await checker.publish())
        await checker.subscribe("unsubscribe")
        watching = Checker(checker.clarion, witness, checker.topic, checker.hub, checker.published)
        await watching.subscribe()
        before = len(checker.subscriber.notified)

        await watching.notification_of(await watching.publish())

        assert len(checker.subscriber.notified) == before


async def test_105_a_plain_text_topic_is_denied_with_the_reason(checker: Checker) -> None:
    topic = f"{checker.clarion.settings.base_url}/robots.txt"
    form = {"hub.mode": "subscribe", "hub.topic": topic, "hub.callback": checker.subscriber.url}

    assert (await checker.clarion.http.post(checker.hub, data=form)).status_code == 202

    (asked,) = await checker.subscriber.was_asked()
    assert (asked.mode, asked["hub.topic"]) == ("denied", topic)


@pytest.mark.parametrize("path", ["/en/news/feed.json", "/en/news/feed.rss", "/en/feed.atom"])
async def test_106_json_and_every_other_feed_is_a_topic_with_its_own_type(checker: Checker, path: str) -> None:
    checker.topic = f"{checker.clarion.settings.base_url}{path}"
    await checker.subscribe()

    notified = await checker.notification_of(await checker.publish())

    assert notified.headers["content-type"] == (await checker.clarion.http.head(path)).headers["content-type"]


async def test_fifty_items_make_at_most_three_notifications_and_the_last_one_has_the_feed_as_it_is(
    checker: Checker,
) -> None:
    await checker.subscribe()
    lines = [checker.clarion.put(f"burst-{number}", an_item(title=f"Burst {number:02}")) for number in range(50)]

    await asyncio.gather(*lines)

    async def has_the_whole_feed() -> bool:
        feed = await checker.clarion.http.get(checker.topic)
        listed = sum(f"Burst {number:02}" in feed.text for number in range(50))
        return (
            listed >= 20 and bool(checker.subscriber.notified) and checker.subscriber.notified[-1].body == feed.content
        )

    await eventually(has_the_whole_feed, "a notification with the feed as it is")
    assert len(checker.subscriber.notified) <= 3


async def test_no_notification_names_an_item_whose_page_is_not_there(checker: Checker) -> None:
    missing: list[str] = []

    async def open_every_page(notified: Notified) -> web.StreamResponse:
        feed = etree.fromstring(notified.body)
        for link in feed.findall("{*}entry/{*}link[@rel='alternate']"):
            answer = await checker.clarion.http.get(link.get("href", ""))
            missing.extend([link.get("href", "")] if answer.status_code != httpx.codes.OK else [])
        return web.Response(status=204)

    checker.subscriber.accept = open_every_page
    await checker.subscribe()
    for _ in range(3):
        await checker.notification_of(await checker.publish())

    assert missing == []


async def test_minor_revisions_and_withdrawals_are_distributed_too(checker: Checker) -> None:
    await checker.subscribe()
    await checker.notification_of(await checker.publish())

    await checker.clarion.put("item-1", an_item(title="A corrected title", update_type="minor"))
    await checker.notification_of("A corrected title")
    before = len(checker.subscriber.notified)
    await checker.clarion.http.request("DELETE", "/v1/items/press/item-1", json={"mode": "gone"})

    await checker.subscriber.heard(before + 1)
    assert "A corrected title</title>" not in checker.subscriber.notified[-1].body.decode()


async def test_p1_p2_feeds_and_pages_name_the_hub_and_exactly_one_self(checker: Checker) -> None:
    base = checker.clarion.settings.base_url
    for path in (ATOM, "/en/news/feed.rss", "/en/news/feed.json", "/en/news/", "/en/"):
        answer = await checker.clarion.http.get(path)

        assert answer.headers["link"] == f'<{base}/hub>; rel="hub", <{base}{path}>; rel="self"'
        assert f"{base}/hub" in answer.text
        if path.endswith((".atom", ".rss")):
            links = etree.fromstring(answer.content).findall(".//{http://www.w3.org/2005/Atom}link")
            assert [link.get("href") for link in links if link.get("rel") == "self"] == [base + path]
