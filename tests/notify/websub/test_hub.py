"""The hub's door, clause by clause (W3C WebSub; the numbers H1 to H14 and P3 are those of our list of clauses)."""

import asyncio

import pytest
from aiohttp import web

from tests.notify.websub.parties import NEWS, Asked, Hub, a_subscriber, echo
from tests.ports import a_free_port

FORM = {"Content-Type": "application/x-www-form-urlencoded"}

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_h1_callback_mode_and_topic_are_enough(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        answer = await hub.post(mode="subscribe", callback=subscriber.url, topic=hub.topic())

        assert answer.status_code == 202
        (asked,) = await subscriber.was_asked()
        assert (asked.mode, asked["hub.topic"]) == ("subscribe", hub.topic())


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=utf-8",
        "Application/X-WWW-Form-Urlencoded",
    ],
)
async def test_h1_the_form_may_name_its_charset(hub: Hub, content_type: str) -> None:
    body = f"hub.mode=subscribe&hub.callback=http://127.0.0.1:9/&hub.topic={hub.topic()}"

    answer = await hub.http.post("/hub", content=body, headers={"Content-Type": content_type})

    assert answer.status_code == 202


@pytest.mark.parametrize(("size", "status"), [(1, 202), (199, 202), (200, 400), (5000, 400)])
async def test_h2_d_a_secret_has_less_than_200_bytes(hub: Hub, size: int, status: int) -> None:
    answer = await hub.post(mode="subscribe", callback="http://127.0.0.1:9/", topic=hub.topic(), secret="s" * size)

    assert answer.status_code == status


async def test_h2_a_secrets_length_is_counted_in_bytes(hub: Hub) -> None:
    answer = await hub.post(mode="subscribe", callback="http://127.0.0.1:9/", topic=hub.topic(), secret="ж" * 100)

    assert answer.status_code == 400
    assert "200 bytes" in answer.text


@pytest.mark.parametrize(
    ("asked", "granted"),
    [("7200", 7200), ("1", 3600), ("0", 3600), ("2592000", 2592000), ("9999999999999", 2592000), ("", 864000)],
    ids=["as asked", "at least an hour", "never for ever", "a month", "at most a month", "not said"],
)
async def test_h3_a_lease_is_granted_within_limits(hub: Hub, asked: str, granted: int) -> None:
    async with a_subscriber() as subscriber:
        verification = await hub.subscribe(subscriber, lease_seconds=asked)

        assert verification["hub.lease_seconds"] == str(granted)


async def test_h3_the_default_lease_is_ten_days(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        verification = await hub.subscribe(subscriber)

        assert verification["hub.lease_seconds"] == "864000"


async def test_h3_a_lease_is_ignored_when_unsubscribing(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        answer = await hub.post(
            mode="unsubscribe", callback=subscriber.url, topic=hub.topic(), lease_seconds="no number"
        )

        assert answer.status_code == 202
        (asked,) = await subscriber.was_asked()
        assert "hub.lease_seconds" not in asked


async def test_h4_unknown_parameters_are_ignored(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        fields = {
            "hub.mode": "subscribe",
            "hub.callback": subscriber.url,
            "hub.topic": hub.topic(),
            "hub.verify": "sync",
            "hub.foo": "hub.bar",
            "foo": "bar",
        }

        answer = await hub.http.post("/hub", data=fields)

        assert answer.status_code == 202
        (asked,) = await subscriber.was_asked()
        assert {name for name, _ in asked.pairs} == {"hub.mode", "hub.topic", "hub.challenge", "hub.lease_seconds"}


async def test_h6_unsubscribing_ends_the_notifications(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        await hub.subscribe(subscriber)

        await hub.unsubscribe(subscriber)

        assert await hub.count() == 0
        await hub.publish("<feed>after</feed>")
        await hub.settled()
        assert subscriber.notified == []


async def test_h6_p_unsubscribing_what_nobody_knows_is_taken_like_any_other(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        answer = await hub.post(mode="unsubscribe", callback=subscriber.url, topic="https://example.org/other")

        assert answer.status_code == 202
        (asked,) = await subscriber.was_asked()
        assert asked["hub.topic"] == "https://example.org/other"
        await hub.settled()


async def test_h7_non_reserved_characters_are_decoded_in_topic_and_callback(hub: Hub) -> None:
    encoded_topic = hub.topic().replace("news", "%6E%65ws").replace("feed.atom", "feed%2Eatom")
    async with a_subscriber() as subscriber:
        await hub.ask("subscribe", f"{subscriber.base}/%7Eme/call%2Dback?%61=%2F%20", encoded_topic)

        (asked,) = await subscriber.was_asked()
        assert asked["hub.topic"] == hub.topic()
        assert asked.path.startswith("/~me/call-back?a=%2F%20&hub.mode=subscribe&")


async def test_h7_two_spellings_are_one_subscription(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        await hub.subscribe(subscriber, callback=f"{subscriber.base}/%7Eme")
        await hub.subscribe(subscriber, callback=f"{subscriber.base}/~me")

        assert await hub.count() == 1


@pytest.mark.parametrize(
    "path",
    [
        "/en/news/",
        "/en/news/feed.txt",
        "/en/other/feed.atom",
        "/en/news/2026/05/feed.atom",
        "/en/news/../news/feed.atom",
        "/.clarion/feed.atom",
        "/en/news/feed.atom?page=2",
        "/en/news/feed.atom#top",
        "/en/news/feed.atom%00",
    ],
)
async def test_h8_h14_what_is_no_feed_of_the_site_is_denied(hub: Hub, path: str) -> None:
    for name in ("/en/news/2026/05/feed.atom", "/.clarion/feed.atom", "/en/news/feed.rss"):
        hub.write("<feed/>", name)
    async with a_subscriber() as subscriber:
        await hub.ask("subscribe", subscriber.url, hub.topic(path))

        (asked,) = await subscriber.was_asked()
        assert asked.mode == "denied"
        assert await hub.count() == 0


async def test_h8_the_same_path_of_another_site_is_denied(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        await hub.ask("subscribe", subscriber.url, f"https://example.org{NEWS}")

        (asked,) = await subscriber.was_asked()
        assert asked.mode == "denied"


async def test_h8_the_feed_of_a_tag_that_looks_like_a_year_is_a_topic(hub: Hub) -> None:
    hub.write("<feed/>", "/en/tags/2026/feed.atom")
    async with a_subscriber() as subscriber:
        await hub.subscribe(subscriber, hub.topic("/en/tags/2026/feed.atom"))

        assert await hub.count() == 1


async def test_h10_h13_the_hub_answers_202_itself(hub: Hub) -> None:
    answer = await hub.post(mode="subscribe", callback="http://127.0.0.1:9/", topic=hub.topic())

    assert (answer.status_code, answer.headers.get("location")) == (202, None)


@pytest.mark.parametrize("missing", ["mode", "callback", "topic"])
async def test_h11_c_a_missing_parameter_is_named_in_plain_text(hub: Hub, missing: str) -> None:
    fields = {"mode": "subscribe", "callback": "http://127.0.0.1:9/", "topic": hub.topic()}
    del fields[missing]

    answer = await hub.post(**fields)

    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert f"hub.{missing}" in answer.text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mode": "sell"}, "sell"),
        ({"callback": "ftp://example.org/"}, "http"),
        ({"callback": "/relative"}, "absolute"),
        ({"callback": "https://me:secret@example.org/"}, "password"),
        ({"callback": "https://example.org/#part"}, "fragment"),
        ({"callback": "https://example.org/" + "a" * 2100}, "2048"),
        ({"topic": "https://example.org/" + "a" * 2100}, "2048"),
        ({"lease_seconds": "soon"}, "lease_seconds"),
        ({"lease_seconds": "-5"}, "lease_seconds"),
        ({"lease_seconds": "\u0665"}, "lease_seconds"),
    ],
)
async def test_h11_what_is_wrong_is_said_in_plain_text(hub: Hub, changes: dict[str, str], said: str) -> None:
    fields = {"mode": "subscribe", "callback": "http://127.0.0.1:9/", "topic": hub.topic(), **changes}

    answer = await hub.post(**fields)

    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert said in answer.text


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"hub.mode=subscribe&hub.topic=\xff\xfe", FORM),
        (b"hub.mode=subscribe&hub.topic=%FF%FE", FORM),
        (b"hub.mode=subscribe&hub.mode=unsubscribe", FORM),
        (b"a=" + b"x" * 100_000, FORM),
        (b"a=1&" * 1000, FORM),
        (b"", FORM),
        (b'{"hub.mode": "subscribe"}', {"Content-Type": "application/json"}),
    ],
    ids=["not UTF-8", "not UTF-8 inside", "twice", "too long", "too many", "empty", "JSON"],
)
async def test_h11_a_body_that_is_no_such_form_is_refused(hub: Hub, body: bytes, headers: dict[str, str]) -> None:
    answer = await hub.http.post("/hub", content=body, headers=headers)

    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")


async def test_h12_e_the_answer_is_202_while_the_callback_is_down(hub: Hub) -> None:
    answer = await hub.post(mode="subscribe", callback=f"http://127.0.0.1:{a_free_port()}/", topic=hub.topic())

    assert answer.status_code == 202
    await hub.settled()
    assert await hub.count() == 0


async def test_h12_the_answer_comes_before_the_callback_is_asked(hub: Hub) -> None:
    gate = asyncio.Event()

    async def wait(asked: Asked) -> web.StreamResponse:
        await gate.wait()
        return echo(asked)

    async with a_subscriber(confirm=wait) as subscriber:
        answer = await asyncio.wait_for(
            hub.post(mode="subscribe", callback=subscriber.url, topic=hub.topic()), timeout=5
        )

        assert answer.status_code == 202
        await subscriber.was_asked()
        gate.set()


@pytest.mark.parametrize("name", ["hub.url", "hub.topic"])
async def test_p3_a_publishers_word_is_taken_in_both_spellings(hub: Hub, name: str) -> None:
    hub.write("<rss/>", "/en/news/feed.rss")

    answer = await hub.http.post(
        "/hub", data={"hub.mode": "publish", name: [hub.topic(), hub.topic("/en/news/feed.rss")]}
    )

    assert answer.status_code == 202


async def test_p3_on_a_publishers_word_changed_bytes_are_sent_and_the_same_ones_are_not(hub: Hub) -> None:
    async with a_subscriber() as subscriber:
        await hub.subscribe(subscriber)

        await hub.post(mode="publish", url=hub.topic())
        await hub.settled()
        assert subscriber.notified == []

        hub.write("<feed>a new title, and no event</feed>")
        await hub.post(mode="publish", url=hub.topic())
        await hub.post(mode="publish", topic=hub.topic())

        await subscriber.heard()
        await hub.settled()
        assert len(subscriber.notified) == 1


@pytest.mark.parametrize("fields", [{}, {"url": "https://example.org/feed"}])
async def test_p3_a_publishers_word_about_something_else_is_refused(hub: Hub, fields: dict[str, str]) -> None:
    answer = await hub.post(mode="publish", **fields)

    assert answer.status_code == 400
