"""Intent verification and denial, clause by clause (W3C WebSub, sections 5.1 to 5.3)."""

import asyncio
import time
from collections.abc import Callable

import pytest
from aiohttp import web

from tests.notify.websub.parties import Asked, Hub, a_subscriber, echo
from tests.ports import a_free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")


def wrong_body(_: Asked) -> web.Response:
    return web.Response(text="something else")


def challenge_and_more(asked: Asked) -> web.Response:
    return web.Response(text=asked["hub.challenge"] + "\n")


def redirect(asked: Asked) -> web.Response:
    # A hub that followed it would be confirmed.
    return web.Response(status=301, headers={"Location": asked.path + "&again=1"}, text=asked["hub.challenge"])


def answering(status: int) -> Callable[[Asked], web.Response]:
    return lambda asked: web.Response(status=status, text=asked["hub.challenge"])


FAILURES = [wrong_body, challenge_and_more, redirect, answering(302), answering(404), answering(500), answering(304)]
FAILURE_IDS = ["wrong body", "challenge and more", "301", "302", "404", "500", "304"]


async def test_h5_a_confirmed_renewal_takes_the_new_secret(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        await hub.subscribe(subscriber, secret="old")
        await hub.subscribe(subscriber, secret="new")

        await hub.publish("<feed>1</feed>")

        (notified,) = await subscriber.heard()
        assert notified.is_signed_with("new")


async def test_h5_a_renewal_without_a_secret_ends_the_signatures(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        await hub.subscribe(subscriber, secret="old")
        await hub.subscribe(subscriber)

        await hub.publish("<feed>1</feed>")

        (notified,) = await subscriber.heard()
        assert "x-hub-signature" not in notified.headers


@pytest.mark.parametrize("mode", ["subscribe", "unsubscribe"])
@pytest.mark.parametrize("failure", FAILURES, ids=FAILURE_IDS)
async def test_h5_a_a_request_that_is_not_confirmed_changes_nothing(
    hub: Hub, mode: str, failure: Callable[[Asked], web.Response]
) -> None:
    async with a_subscriber() as subscriber:
        await hub.subscribe(subscriber, secret="old", lease_seconds="7200")
        before = [str(one) for one in await hub.subscriptions()]
        subscriber.confirm = failure

        await hub.ask(mode, subscriber.url, secret="new", lease_seconds="9000")
        await subscriber.was_asked(2)
        await hub.settled()

        assert [str(one) for one in await hub.subscriptions()] == before
        await hub.publish("<feed>1</feed>")
        (notified,) = await subscriber.heard()
        assert notified.is_signed_with("old")


async def test_h5_o_subscribing_twice_at_once_makes_one_subscription_and_one_notification(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        await asyncio.gather(*(hub.ask("subscribe", subscriber.url) for _ in range(10)))
        await subscriber.was_asked()
        await hub.settled()

        assert await hub.count() == 1
        await hub.publish("<feed>1</feed>")
        await subscriber.heard()
        await hub.settled()
        assert len(subscriber.notified) == 1


async def test_h5_the_last_of_several_requests_holds(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        await hub.ask("subscribe", subscriber.url, secret="first")
        await hub.ask("unsubscribe", subscriber.url)
        await hub.ask("subscribe", subscriber.url, secret="last")
        await hub.settled()

        await hub.publish("<feed>1</feed>")
        (notified,) = await subscriber.heard()
        assert notified.is_signed_with("last")


async def test_h9_b_the_callbacks_own_query_is_kept_when_asking_and_when_sending(hub: Hub) -> None:
    query = "hub.mode=x&a=b&hub.topic=mine&empty="
    async with a_subscriber() as subscriber:
        asked = await hub.subscribe(subscriber, callback=f"{subscriber.base}/in%2Fbox?{query}")

        assert asked.path.startswith(f"/in%2Fbox?{query}&hub.mode=subscribe&")
        assert [value for name, value in asked.pairs if name == "hub.mode"] == ["x", "subscribe"]
        await hub.publish("<feed>1</feed>")
        (notified,) = await subscriber.heard()
        assert notified.path == f"/in%2Fbox?{query}"
        assert notified.body == b"<feed>1</feed>"


async def test_h15_nothing_is_sent_to_a_callback_that_has_not_confirmed(hub: Hub) -> None:
    gate = asyncio.Event()

    async def wait(asked: Asked) -> web.StreamResponse:
        await gate.wait()
        return echo(asked)

    async with a_subscriber(confirm=wait) as subscriber:
        await hub.ask("subscribe", subscriber.url)
        await subscriber.was_asked()
        await hub.publish("<feed>while it thinks</feed>")
        await hub.publish("<feed>still thinking</feed>")

        assert subscriber.notified == []
        gate.set()

        # What has changed since the request was accepted is not lost.
        (notified,) = await subscriber.heard()
        assert notified.body == b"<feed>still thinking</feed>"


async def test_h15_what_was_there_before_is_not_sent(hub: Hub) -> None:
    await hub.publish("<feed>before</feed>")
    async with a_subscriber() as subscriber:
        await hub.subscribe(subscriber)

        await hub.settled()
        assert subscriber.notified == []


async def test_h16_m_a_denial_names_the_topic_and_the_reason(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        await hub.ask("subscribe", f"{subscriber.url}?a=b", "https://example.org/feed")

        (asked,) = await subscriber.was_asked()
        assert asked.path.startswith("/callback?a=b&hub.mode=denied&")
        assert asked["hub.topic"] == "https://example.org/feed"
        assert "no feed of this site" in asked["hub.reason"]
        assert "hub.challenge" not in asked


async def test_h16_m_a_subscription_is_denied_later_when_its_feed_has_long_been_gone(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        await hub.subscribe(subscriber)

        hub.remove()
        await hub.announce()

        asked = await subscriber.was_asked(2)
        assert (asked[1].mode, asked[1]["hub.topic"]) == ("denied", hub.topic())
        assert asked[1]["hub.reason"] == "the feed no longer exists"
        await hub.settled()
        assert await hub.count() == 0
        assert subscriber.notified == []


async def test_h17_the_callback_is_asked_with_mode_topic_challenge_and_lease(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        await hub.subscribe(subscriber, lease_seconds="7200")
        await hub.unsubscribe(subscriber)

        to_subscribe, to_end = subscriber.asked
        assert (to_subscribe.mode, to_subscribe["hub.topic"]) == ("subscribe", hub.topic())
        assert to_subscribe["hub.lease_seconds"] == "7200"
        assert to_subscribe["hub.challenge"]
        assert (to_end.mode, to_end["hub.topic"]) == ("unsubscribe", hub.topic())
        assert to_end["hub.challenge"]


async def test_h17_h20_the_lease_counts_from_the_asking(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        before = time.time()
        await hub.subscribe(subscriber, lease_seconds="7200")

        (subscription,) = await hub.subscriptions()
        assert before + 7200 - 1 <= subscription["expires_ms"] / 1000 <= time.time() + 7200 + 1


async def test_h18_a_challenge_is_long_and_never_the_same(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        for _ in range(3):
            await hub.subscribe(subscriber)

        challenges = {asked["hub.challenge"] for asked in subscriber.asked}
        assert len(challenges) == 3
        assert min(map(len, challenges)) >= 32


@pytest.mark.parametrize("failure", FAILURES, ids=FAILURE_IDS)
async def test_h19_f_only_a_2xx_with_the_challenge_alone_confirms(
    hub: Hub, failure: Callable[[Asked], web.Response]
) -> None:
    async with a_subscriber(confirm=failure) as subscriber:
        await hub.ask("subscribe", subscriber.url)
        await subscriber.was_asked()
        await hub.settled()

        assert await hub.count() == 0
        # Not followed, and not asked again: the answer was final.
        assert len(subscriber.asked) == 1


@pytest.mark.parametrize("status", [200, 201, 202, 299])
async def test_h19_every_2xx_confirms(hub: Hub, status: int) -> None:
    async with a_subscriber(confirm=answering(status)) as subscriber:
        await hub.subscribe(subscriber)

        assert await hub.count() == 1


async def test_h19_an_endless_answer_is_no_confirmation(hub: Hub) -> None:
    async def endless(asked: Asked) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(asked.request)
        while True:
            await response.write(asked["hub.challenge"].encode() * 100)

    async with a_subscriber(confirm=endless) as subscriber:
        await hub.ask("subscribe", subscriber.url)
        await subscriber.was_asked()
        await hub.settled()

        assert await hub.count() == 0


async def test_h21_a_renewal_makes_the_lease_longer(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        await hub.subscribe(subscriber, lease_seconds="3600")
        (before,) = await hub.subscriptions()
        await hub.subscribe(subscriber, lease_seconds="86400")

        (after,) = await hub.subscriptions()
        assert after["expires_ms"] - before["expires_ms"] >= 82_800_000


async def test_a_callback_that_cannot_be_reached_is_asked_again(hub: Hub) -> None:
    port = a_free_port()
    await hub.ask("subscribe", f"http://127.0.0.1:{port}/callback")

    async with a_subscriber(port=port) as subscriber:
        await subscriber.was_asked()
        await hub.settled()

        assert await hub.count() == 1
