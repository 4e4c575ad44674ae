"""What of WebSub depends on settings, and what outlives a process: each test runs a hub of its own."""

import hmac
from pathlib import Path
from typing import Literal

import pytest
from redis.asyncio import Redis

from services.notify.websub.distribution import signature
from tests.notify.websub.parties import SECRET, a_hub, a_subscriber, answer, failing
from tests.ports import a_free_port
from tests.waiting import eventually


async def test_h14_q_a_private_callback_is_refused(redis: Redis, store_url: str, tmp_path: Path) -> None:
    private = [
        "127.0.0.1:9",
        "[::1]",
        "169.254.169.254/latest/meta-data",
        "2130706433",
        "10.0.0.1",
        "[::ffff:10.0.0.1]",
    ]
    async with a_hub(redis, store_url, tmp_path, egress_allow=()) as hub:
        answers = [await hub.post(mode="subscribe", callback=f"http://{host}/", topic=hub.topic()) for host in private]

        assert [answer.status_code for answer in answers] == [400] * len(private)
        assert all("cannot be reached" in answer.text for answer in answers)


async def test_h14_r_a_name_that_leads_inside_is_never_called(redis: Redis, store_url: str, tmp_path: Path) -> None:
    async with a_hub(redis, store_url, tmp_path, egress_allow=()) as hub, a_subscriber() as subscriber:
        by_name = subscriber.url.replace("127.0.0.1", "localhost")

        await hub.ask("subscribe", by_name)

        await hub.settled()
        assert subscriber.asked == []
        assert await hub.count() == 0


async def test_h20_g_nothing_is_sent_when_the_lease_is_over(redis: Redis, store_url: str, tmp_path: Path) -> None:
    async with a_hub(redis, store_url, tmp_path, lease_min=1, lease_max=1) as hub, a_subscriber() as subscriber:
        await hub.subscribe(subscriber)
        assert await hub.count() == 1

        async def is_over() -> bool:
            return await hub.count() == 0

        await eventually(is_over, "the end of the lease")
        await hub.publish("<feed>too late</feed>")
        await hub.settled()
        assert subscriber.notified == []


async def test_a_request_outlives_the_process_that_took_it(redis: Redis, store_url: str, tmp_path: Path) -> None:
    port = a_free_port()
    waits = (0.2, 0.2, 0.2)
    async with a_hub(redis, store_url, tmp_path, retry_schedule=waits) as hub:
        await hub.ask("subscribe", f"http://127.0.0.1:{port}/callback", f"{hub.settings.base_url}/en/news/feed.atom")

    async with a_hub(redis, store_url, tmp_path, retry_schedule=waits) as hub, a_subscriber(port=port) as subscriber:
        await subscriber.was_asked()
        await hub.settled()

        assert await hub.count() == 1


async def test_h28_what_is_tried_again_is_the_feed_as_it_is_by_then(
    redis: Redis, store_url: str, tmp_path: Path
) -> None:
    async with (
        a_hub(redis, store_url, tmp_path, retry_schedule=(3600,)) as hub,
        a_subscriber() as subscriber,
    ):
        subscriber.accept = failing(subscriber, 1)
        await hub.subscribe(subscriber)
        await hub.publish("<feed>1</feed>")
        await subscriber.heard()

        await hub.publish("<feed>2</feed>")

        await subscriber.heard(2)
        await hub.settled()
        assert [notified.body for notified in subscriber.notified] == [b"<feed>1</feed>", b"<feed>2</feed>"]


async def test_h29_a_publishers_word_does_not_hurry_whoever_fails(redis: Redis, store_url: str, tmp_path: Path) -> None:
    async with (
        a_hub(redis, store_url, tmp_path, retry_schedule=(3600,)) as hub,
        a_subscriber(accept=lambda _: answer(500)) as failing_one,
        a_subscriber() as good,
    ):
        await hub.subscribe(failing_one)
        await hub.subscribe(good)
        await hub.publish("<feed>1</feed>")
        await failing_one.heard()
        await good.heard()

        hub.write("<feed>2</feed>")
        await hub.post(mode="publish", url=hub.topic())

        await good.heard(2)
        assert len(failing_one.notified) == 1


@pytest.mark.parametrize("method", ["sha1", "sha384", "sha512"])
async def test_h30_l_with_a_secret_the_body_is_signed_by_the_method_of_the_settings(
    redis: Redis, store_url: str, tmp_path: Path, method: str
) -> None:
    async with a_hub(redis, store_url, tmp_path, websub_signature=method) as hub, a_subscriber() as subscriber:
        await hub.subscribe(subscriber, secret=SECRET)

        await hub.publish("<feed>Ж</feed>")

        (notified,) = await subscriber.heard()
        expected = hmac.new(SECRET.encode(), "<feed>Ж</feed>".encode(), method).hexdigest()
        assert notified.headers["x-hub-signature"] == f"{method}={expected}"


async def test_what_was_marked_outlives_a_process_and_what_happened_meanwhile_is_found(
    redis: Redis, store_url: str, tmp_path: Path
) -> None:
    async with a_subscriber() as subscriber:
        async with a_hub(redis, store_url, tmp_path) as hub:
            await hub.subscribe(subscriber)
            port = hub.settings.port
        hub.write("<feed>while nobody was there</feed>")
        await hub.announce()

        async with a_hub(redis, store_url, tmp_path, port=port):
            (notified,) = await subscriber.heard()

        assert notified.body == b"<feed>while nobody was there</feed>"


@pytest.mark.parametrize(
    ("method", "digest"),
    [
        # RFC 2202, section 3, and RFC 4231, section 4.3: the same key and text.
        ("sha1", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        ("sha256", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (
            "sha384",
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
        ),
        (
            "sha512",
            (
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd"
                "caeab1a34d4a6b4b636e070a38bce737"
            ),
        ),
    ],
)
def test_h30_l_signatures_are_those_of_the_published_vectors(
    method: Literal["sha1", "sha256", "sha384", "sha512"], digest: str
) -> None:
    assert signature("Jefe", method, b"what do ya want for nothing?") == f"{method}={digest}"
