"""Content distribution, clause by clause (W3C WebSub, sections 7 and 7.1)."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web

from tests.notify.websub.parties import NEWS, SECRET, Hub, Notified, a_subscriber, answer, failing
from tests.waiting import eventually

RSS = "/en/news/feed.rss"
JSON = "/en/news/feed.json"

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_h22_h23_the_whole_feed_is_posted_to_the_very_callback(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        await hub.subscribe(subscriber, callback=f"{subscriber.base}/a%2Fb/%D1%86?x=%20&y=1,2")

        await hub.publish("<feed>Ж…</feed>")

        (notified,) = await subscriber.heard()
        assert notified.request.method == "POST"
        assert notified.path == "/a%2Fb/%D1%86?x=%20&y=1,2"
        assert notified.body == "<feed>Ж…</feed>".encode()


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        (NEWS, "application/atom+xml; charset=utf-8"),
        (RSS, "application/rss+xml; charset=utf-8"),
        (JSON, "application/feed+json; charset=utf-8"),
    ],
)
async def test_h24_the_content_type_is_the_topics(hub: Hub, path: str, content_type: str) -> None:
    hub.write("first", path)
    async with a_subscriber() as subscriber:
        await hub.subscribe(subscriber, hub.topic(path))

        await hub.publish("second", path)

        (notified,) = await subscriber.heard()
        assert notified.headers["content-type"] == content_type


async def test_h25_n_one_link_header_names_hub_and_self(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        await hub.subscribe(subscriber, hub.topic().replace("news", "%6Eews"))

        await hub.publish("<feed>1</feed>")

        (notified,) = await subscriber.heard()
        assert notified.request.headers.getall("Link") == [notified.headers["link"]]
        assert notified.links == {"hub": f"{hub.settings.base_url}/hub", "self": hub.topic()}


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_h26_every_2xx_is_success(hub: Hub, status: int) -> None:
    async with a_subscriber(accept=lambda _: answer(status)) as subscriber:
        await hub.subscribe(subscriber)

        await hub.publish("<feed>1</feed>")

        await subscriber.heard()
        await hub.settled()
        assert len(subscriber.notified) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_h26_h_a_redirect_is_a_failure_and_not_followed(hub: Hub, status: int) -> None:
    async with a_subscriber() as elsewhere, a_subscriber() as subscriber:
        subscriber.accept = lambda _: answer(status, Location=elsewhere.url)
        await hub.subscribe(subscriber)

        await hub.publish("<feed>1</feed>")

        # The first attempt and the three retries.
        await subscriber.heard(4)
        await hub.settled()
        assert elsewhere.notified == []
        assert await hub.count() == 1


async def test_h26_i_410_ends_the_subscription(hub: Hub) -> None:
    async with a_subscriber(accept=lambda _: answer(410)) as subscriber:
        await hub.subscribe(subscriber)

        await hub.publish("<feed>1</feed>")

        await subscriber.heard()
        await hub.settled()
        assert await hub.count() == 0
        await hub.publish("<feed>2</feed>")
        await hub.settled()
        assert len(subscriber.notified) == 1


@pytest.mark.parametrize("status", [400, 404, 500, 503])
async def test_h26_h29_i_other_failures_do_not_end_it(hub: Hub, status: int) -> None:
    async with a_subscriber(accept=lambda _: answer(status)) as subscriber:
        await hub.subscribe(subscriber)

        await hub.publish("<feed>1</feed>")

        await subscriber.heard(4)
        await hub.settled()
        assert await hub.count() == 1


@pytest.mark.parametrize("kind", ["endless", "huge"])
async def test_h27_k_what_the_callback_answers_does_not_matter(hub: Hub, kind: str) -> None:
    async def at_length(notified: Notified) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(notified.request)
        while kind == "endless":
            await response.write(b"and so on ")
            await asyncio.sleep(0.01)
        await response.write(b"x" * 5_000_000)
        return response

    async with a_subscriber(accept=at_length) as subscriber:
        await hub.subscribe(subscriber)

        await hub.publish("<feed>1</feed>")

        await subscriber.heard()
        await hub.settled()
        assert len(subscriber.notified) == 1


async def test_h28_a_failure_is_tried_again_until_it_is_taken(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        subscriber.accept = failing(subscriber, 2)
        await hub.subscribe(subscriber)

        await hub.publish("<feed>1</feed>")

        await subscriber.heard(3)
        await hub.settled()
        assert [notified.body for notified in subscriber.notified] == [b"<feed>1</feed>"] * 3


async def test_h29_j_after_giving_up_the_next_change_is_tried_again(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        subscriber.accept = failing(subscriber, 4)
        await hub.subscribe(subscriber)
        await hub.publish("<feed>1</feed>")
        await subscriber.heard(4)
        await hub.settled()

        await hub.publish("<feed>2</feed>")

        await subscriber.heard(5)
        await hub.settled()
        assert [notified.body for notified in subscriber.notified[4:]] == [b"<feed>2</feed>"]


async def test_h31_without_a_secret_there_is_no_signature(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        await hub.subscribe(subscriber)
        await hub.subscribe(subscriber, callback=f"{subscriber.base}/empty", secret="")

        await hub.publish("<feed>1</feed>")

        await subscriber.heard(2)
        assert ["x-hub-signature" in notified.headers for notified in subscriber.notified] == [False, False]


async def test_a_secret_is_not_readable_in_the_store(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        await hub.subscribe(subscriber, secret=SECRET)

        assert SECRET not in str(await hub.subscriptions())


async def test_one_callback_may_have_several_topics_each_with_its_secret(hub: Hub) -> None:
    hub.write("<rss>1</rss>", RSS)
    async with a_subscriber() as subscriber:
        await hub.subscribe(subscriber, secret="of atom")
        await hub.subscribe(subscriber, hub.topic(RSS), secret="of rss")

        await hub.publish("<rss>2</rss>", RSS)
        await subscriber.heard()
        await hub.publish("<feed>2</feed>")
        await subscriber.heard(2)

        rss, atom = subscriber.notified
        assert (rss.body, rss.is_signed_with("of rss")) == (b"<rss>2</rss>", True)
        assert (atom.body, atom.is_signed_with("of atom")) == (b"<feed>2</feed>", True)


async def test_nothing_is_sent_when_the_bytes_have_not_changed(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        await hub.subscribe(subscriber)
        await hub.publish("<feed>1</feed>")
        await subscriber.heard()
        await hub.settled()

        await hub.publish("<feed>1</feed>")
        await hub.settled()

        assert len(subscriber.notified) == 1


async def test_other_feeds_do_not_matter(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        await hub.subscribe(subscriber)
        # A shard that had nobody to tell may still have older entries before it, which name the feed.
        await hub.announce("/en/elsewhere/feed.atom")
        await hub.settled()

        # Written, and not named by any entry of the log.
        hub.write("<feed>1</feed>")
        await hub.announce(RSS, "/en/news/feed.atom2", "/en/new/feed.atom")
        await hub.settled()

        assert subscriber.notified == []


@pytest.mark.parametrize("type", ["item.published.v1", "item.revised.v1", "item.withdrawn.v1", "feeds.changed.v1"])
async def test_every_kind_of_change_counts(hub: Hub, type: str) -> None:  # noqa: A002 - the event's word
    async with a_subscriber() as subscriber:
        await hub.subscribe(subscriber)

        hub.write("<feed>1</feed>")
        await hub.announce(type=type)

        await subscriber.heard()


async def test_the_first_change_goes_at_once_and_the_next_ones_together_a_second_later(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        await hub.subscribe(subscriber)
        began = asyncio.get_running_loop().time()
        arrivals: list[float] = []
        subscriber.accept = lambda _: _noted(arrivals)

        for number in range(50):
            await hub.publish(f"<feed>{number}</feed>")
        took = asyncio.get_running_loop().time() - began

        await eventually(lambda: subscriber.notified[-1:] != [] and subscriber.notified[-1].body == b"<feed>49</feed>")
        await hub.settled()
        # One at once, one for each second begun.
        assert len(subscriber.notified) <= 2 + int(took)
        assert all(later - earlier >= 0.99 for earlier, later in pairwise(arrivals))


async def test_a_change_while_one_is_on_its_way_is_sent_afterwards(hub: Hub) -> None:
    gate = asyncio.Event()

    async def wait(_: Notified) -> web.StreamResponse:
        await gate.wait()
        return web.Response()

    async with a_subscriber(accept=wait) as subscriber:
        await hub.subscribe(subscriber)
        await hub.publish("<feed>1</feed>")
        await subscriber.heard()

        await hub.publish("<feed>2</feed>")
        gate.set()

        await subscriber.heard(2)
        assert [notified.body for notified in subscriber.notified] == [b"<feed>1</feed>", b"<feed>2</feed>"]


async def test_subscribers_that_hang_delay_no_other(hub: Hub) -> None:
    gate = asyncio.Event()

    async def hang(_: Notified) -> web.StreamResponse:
        await gate.wait()
        return web.Response()

    async with a_subscriber(accept=hang) as hanging, a_subscriber() as prompt:
        for number in range(100):
            await hub.ask("subscribe", f"{hanging.base}/{number}")
        await hub.subscribe(prompt)
        await hub.settled()

        await hub.publish("<feed>1</feed>")

        await prompt.heard()
        gate.set()
        # Before its server goes, every hanging subscriber has answered.
        await hub.settled()


async def test_attempts_are_listed_like_those_of_webhooks(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        subscriber.accept = failing(subscriber, 1)
        await hub.subscribe(subscriber)

        await hub.publish("<feed>1</feed>")
        await subscriber.heard(2)
        await hub.settled()

        (key,) = [key async for key in hub.redis.scan_iter("{d*}:attempts:*")]
        entries: Any = await hub.redis.xrange(key)  # Any: redis-py types an entry as many things
        lines = [fields["attempt"] for _, fields in entries]
        assert ['"outcome":"failed"' in line for line in lines] == [True, False]
        assert ['"status":204' in line for line in lines] == [False, True]


async def _noted(arrivals: list[float]) -> web.StreamResponse:
    arrivals.append(asyncio.get_running_loop().time())
    return web.Response(status=204)
