"""What the console's pages show, of a Clarion that has really published and delivered."""

import re
from pathlib import Path

import pytest
from redis.asyncio import Redis

from shared.runtime.settings import Settings
from shared.store import keys
from tests.clarion import Clarion
from tests.factories import an_item, some_settings
from tests.notify.console.operators import ConsoleOperator, text_of
from tests.notify.websub.parties import a_subscriber
from tests.receiver import a_receiver
from tests.waiting import eventually

EVIL = 'The <script>alert("1")</script> "harbour" & \'sea\''


@pytest.fixture
def settings(tmp_path: Path, store_url: str, free_port: int) -> Settings:
    address = f"http://127.0.0.1:{free_port}"
    return some_settings(tmp_path, store_url, port=free_port, base_url=address, retry_schedule="0.01")


async def shows(operator: ConsoleOperator, path: str, *texts: str) -> str:
    """Wait until the page shows every text; return its text."""
    page = ""

    async def all_of_them() -> bool:
        nonlocal page
        page = text_of(await operator.page(path))
        return all(text in page for text in texts)

    try:
        await eventually(all_of_them)
    except AssertionError:
        raise AssertionError(f"{path} never showed {texts}:\n{page}") from None
    return page


async def test_the_overview_shows_what_flows_and_what_came_last(clarion: Clarion, operator: ConsoleOperator) -> None:
    await clarion.put("opening", an_item())
    await clarion.put("closing", an_item(title="The harbour closes"))

    idle = ("ingest items render 0 0 0 s", "render pages notify 0 0 0 s", "All is well")
    page = await shows(operator, "/console", "The last minute Accepted 2", "Announced 2", *idle)

    assert page.index("The harbour closes") < page.index("The harbour opens")


async def test_an_empty_clarion_has_an_overview_too(operator: ConsoleOperator) -> None:
    page = text_of(await operator.page("/console"))

    assert "Nothing has been announced yet" in page
    assert "Accepted 0" in page


async def test_an_item_shows_its_whole_way(clarion: Clarion, operator: ConsoleOperator) -> None:
    async with a_receiver() as heard, a_receiver() as failing:
        failing.answer = lambda _: 500
        await clarion.subscribe(heard.url, description="Those who hear")
        await clarion.subscribe(failing.url, description="Those who do not")
        await clarion.subscribe(heard.url, filter={"langs": ["ru"]}, description="Those who do not want it")
        receipt = await clarion.put("opening", an_item(title="The harbour"))
        await clarion.put("opening", an_item(title="The harbour opens", change_note="A better title"))

        page = await shows(operator, "/console/items/press/opening", "Delivered 1 of 2", "given up 2")

    assert "published" in page
    assert receipt["id"] in page
    assert receipt["url"].removeprefix(clarion.settings.base_url) in page
    assert "Accepted 20" in page  # a moment
    assert re.search(r"Rendered 20\S+ \S+ (?:UTC )?shown by \d+ files", page), page
    assert "Announced 20" in page
    assert "Those who hear delivered 1" in page
    assert "Those who do not want it" not in page
    assert page.index("A better title") < page.rindex("The harbour")


async def test_an_item_under_embargo_is_seen_here_and_nowhere_else(clarion: Clarion, operator: ConsoleOperator) -> None:
    await clarion.put("budget", an_item(title="The budget", published_at=..., publish_at="2099-01-01T00:00:00Z"))

    listed = text_of(await operator.page("/console/items"))
    page = text_of(await operator.page("/console/items/press/budget"))

    assert "The budget scheduled press/budget 1" in listed
    assert "Under embargo until 2099-01-01 00:00:00" in page
    assert "readers never saw it" in page


async def test_items_are_listed_by_the_last_act_on_them(clarion: Clarion, operator: ConsoleOperator) -> None:
    await clarion.put("first", an_item(title="The first"))
    await clarion.put("second", an_item(title="The second"))
    await clarion.put("first", an_item(title="The first, once more"))

    page = text_of(await operator.page("/console/items"))

    assert page.index("The first, once more") < page.index("The second")
    assert page.count("press/first") == 1
    assert "by bootstrap" in page


async def test_a_long_list_of_items_goes_on_where_the_page_ends(
    clarion: Clarion, operator: ConsoleOperator, redis: Redis
) -> None:
    receipt = await clarion.put("oldest", an_item())
    for number in range(220):
        # Acts on items that nothing is left of: read, and not shown.
        await redis.xadd(keys.AUDIT, {"actor": "tests", "act": "published", "item_id": f"none{number % 30}"})

    first = await operator.page("/console/items")
    before = first.partition("/console/items?before=")[2].partition('"')[0]
    second = await operator.page("/console/items", before=before)

    assert receipt["external_id"] not in text_of(first)
    assert "press/oldest" in text_of(second)


async def test_an_item_is_found_by_whatever_names_it(clarion: Clarion, operator: ConsoleOperator) -> None:
    receipt = await clarion.put("opening", an_item())
    path = receipt["url"].removeprefix(clarion.settings.base_url)

    for asked in ("press/opening", receipt["id"], receipt["event_id"], receipt["url"], path, path.rstrip("/")):
        found = await operator.http.get("/console/items/find", params={"q": asked})

        assert (found.status_code, found.headers.get("location")) == (303, "/console/items/press/opening"), asked

    missed = await operator.http.get("/console/items/find", params={"q": "<b>nothing</b>"})
    assert missed.status_code == 404
    assert "There is no item “<b>nothing</b>”" in text_of(missed.text)
    assert "<b>nothing" not in missed.text


async def test_subscriptions_are_listed_with_their_state(clarion: Clarion, operator: ConsoleOperator) -> None:
    async with a_receiver() as receiver:
        await clarion.subscribe(receiver.url, description="The archive")
        paused = await clarion.subscribe(receiver.url, description="The press room")
        await clarion.http.post(f"/v1/subscriptions/{paused['id']}/pause")

    page = text_of(await operator.page("/console/subscriptions"))
    only_paused = text_of(await operator.page("/console/subscriptions", state="paused"))

    assert "All 2 Active 1 Paused 1 Disabled 0" in page
    assert "The archive" in page
    assert "The archive" not in only_paused
    assert "The press room" in only_paused


async def test_a_subscription_shows_its_attempts_and_a_delivery_its_answer(
    clarion: Clarion, operator: ConsoleOperator
) -> None:
    async with a_receiver() as receiver:
        receiver.answer = lambda _: 503
        made = await clarion.subscribe(receiver.url, headers={"X-Password": "open sesame"})
        receipt = await clarion.put("opening", an_item(title=EVIL))
        here = f"/console/subscriptions/{made['id']}"
        page = await shows(operator, here, "given up item.published.v1 2", "failed item.published.v1 1")

        failed = text_of(await operator.page(here, outcome="failed"))
        delivery = await operator.page(f"/console/deliveries/{receipt['event_id']}-{made['id']}")

    assert "X-Password" in page
    assert "503" in page
    assert "failed item.published.v1 1" in failed
    assert "given up item.published.v1" not in failed
    assert f"POST {receiver.url}" in delivery
    assert "x-password: …" in delivery
    assert "open sesame" not in page + delivery
    assert "Attempt 2" in text_of(delivery)
    assert '"event_id": "' + receipt["event_id"] in text_of(delivery)


async def test_dead_letters_show_what_was_given_up_and_why(
    clarion: Clarion, operator: ConsoleOperator, redis: Redis
) -> None:
    await redis.xadd(keys.ITEMS_STREAM, {"type": "item.sold.v1", "id": "never-1"})
    async with a_receiver() as receiver:
        receiver.answer = lambda _: 410
        await clarion.subscribe(receiver.url)
        receipt = await clarion.put("opening", an_item())

        page = await shows(operator, "/console/dead-letters", receipt["event_id"], "never-1")

    assert "Deliveries 1" in page
    assert "status 410" in page
    assert "not an item's event" in page
    overview = text_of(await operator.page("/console"))
    assert "Events given up: 1" in overview
    assert "Deliveries given up: 1" in overview
    assert "Endpoints disabled: 1" in overview


async def test_what_comes_from_outside_is_text_and_nothing_else(clarion: Clarion, operator: ConsoleOperator) -> None:
    async with a_receiver() as receiver:
        receiver.answer = lambda _: 500
        made = await clarion.subscribe(receiver.url, description=EVIL)
        receipt = await clarion.put("opening", an_item(title=EVIL, change_note=EVIL))
        await shows(operator, f"/console/subscriptions/{made['id']}", "given up item.published.v1")

    for path in (
        *("/console", "/console/items", "/console/subscriptions", "/console/dead-letters"),
        *("/console/items/press/opening", f"/console/subscriptions/{made['id']}"),
        f"/console/deliveries/{receipt['event_id']}-{made['id']}",
    ):
        page = await operator.page(path)
        assert "<script>alert" not in page, path
        assert page.count("<script") == 1, path  # the console's own
        if path != "/console/dead-letters":
            assert "&lt;script&gt;alert" in page, path


async def test_what_is_not_there_is_said_so_on_a_page(operator: ConsoleOperator) -> None:
    for path in (
        *("/console/items/press/none", "/console/items/Press/<b>", "/console/subscriptions/subnone"),
        *("/console/deliveries/x-subnone", "/console/static/none.css", "/console/static/%2e%2e%2fconsole.py"),
    ):
        answer = await operator.http.get(path)

        assert answer.status_code == 404, path
        assert "<b>" not in answer.text
        if "%2f" not in path:
            assert "Back to the overview" in answer.text, path


async def test_the_subscribers_of_feeds_stand_below_the_endpoints(clarion: Clarion, operator: ConsoleOperator) -> None:
    topic = f"{clarion.settings.base_url}/en/feed.atom"
    await clarion.page("/en/feed.atom")
    async with a_subscriber() as subscriber:
        asked = {"hub.mode": "subscribe", "hub.topic": topic, "hub.callback": subscriber.url}

        assert (await clarion.http.post("/hub", data=asked)).status_code == 202

        page = await shows(
            operator, "/console/subscriptions", "Subscribers of feeds 1", subscriber.url, "/en/feed.atom"
        )
    assert "Nobody has subscribed yet" in page
