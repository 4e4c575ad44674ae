"""What the console's buttons do, seen from outside: at the endpoint, on the site and in the API."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.typing import EncodableT

from shared.runtime.settings import Settings
from shared.store import keys
from tests.clarion import Clarion
from tests.factories import an_item, some_settings
from tests.notify.console.operators import ConsoleOperator, said, text_of
from tests.receiver import Receiver, a_receiver
from tests.waiting import eventually


@pytest.fixture
def settings(tmp_path: Path, store_url: str, free_port: int) -> Settings:
    address = f"http://127.0.0.1:{free_port}"
    return some_settings(tmp_path, store_url, port=free_port, base_url=address, retry_schedule="3600")


async def state_of(clarion: Clarion, subscription_id: str) -> str:
    return str((await clarion.http.get(f"/v1/subscriptions/{subscription_id}")).json()["state"])


def types_at(receiver: Receiver) -> list[str]:
    return [json.loads(request.body)["type"] for request in receiver.requests]


async def test_a_paused_subscription_is_sent_nothing_until_it_is_resumed(
    clarion: Clarion, operator: ConsoleOperator
) -> None:
    async with a_receiver() as receiver:
        made = await clarion.subscribe(receiver.url)
        here = f"/console/subscriptions/{made['id']}"

        paused = await operator.press(here, f"{here}/pause")
        await clarion.page((await clarion.put("opening", an_item()))["url"])
        while_paused = await state_of(clarion, made["id"]), list(receiver.requests)
        resumed = await operator.press(here, f"{here}/resume")
        await receiver.received(1)

    assert said(paused).startswith("Paused.")
    assert while_paused == ("paused", [])
    assert said(resumed).startswith("Resumed.")
    assert types_at(receiver) == ["item.published.v1"]
    assert await state_of(clarion, made["id"]) == "active"


async def test_what_is_told_is_told_once(clarion: Clarion, operator: ConsoleOperator) -> None:
    here = f"/console/subscriptions/{(await clarion.subscribe('http://127.0.0.1:9/'))['id']}"

    first = await operator.press(here, f"{here}/pause")

    assert said(first) != ""
    assert said(await operator.page(here)) == ""


async def test_resuming_where_the_log_no_longer_reaches_offers_the_oldest_place(
    clarion: Clarion, operator: ConsoleOperator, redis: Redis
) -> None:
    made = await clarion.subscribe("http://127.0.0.1:9/")
    here = f"/console/subscriptions/{made['id']}"
    await operator.press(here, f"{here}/pause")
    await redis.hset(keys.TRIMMED, keys.PAGES_STREAM, "99999999999999-0")

    refused = await operator.press(here, f"{here}/resume")
    state = await state_of(clarion, made["id"])
    resumed = await operator.press(f"{here}?oldest=99999999999999-0", f"{here}/resume", after="99999999999999-0")

    assert "the log no longer reaches back" in said(refused)
    assert "Resume from the oldest that is kept" in text_of(refused)
    assert state == "paused"
    assert said(resumed).startswith("Resumed.")
    assert await state_of(clarion, made["id"]) == "active"


async def test_a_ping_reaches_the_endpoint(clarion: Clarion, operator: ConsoleOperator) -> None:
    async with a_receiver() as receiver:
        here = f"/console/subscriptions/{(await clarion.subscribe(receiver.url))['id']}"

        page = await operator.press(here, f"{here}/ping")

        (request,) = await receiver.received(1)
    assert types_at(receiver) == ["ping.v1"]
    assert request.headers["webhook-id"] in said(page)


async def test_what_may_not_be_done_is_told_where_it_was_tried(clarion: Clarion, operator: ConsoleOperator) -> None:
    made = await clarion.subscribe("http://127.0.0.1:9/")
    here = f"/console/subscriptions/{made['id']}"
    page = await operator.page(here)
    await clarion.http.post(f"/v1/subscriptions/{made['id']}/pause")
    token = page.partition('name="csrf" value="')[2].partition('"')[0]

    answer = await operator.http.post(f"{here}/ping", data={"csrf": token})

    assert answer.headers["location"] == here
    assert "resume it first" in said(await operator.page(here))


async def test_a_failed_delivery_is_tried_again_at_once(clarion: Clarion, operator: ConsoleOperator) -> None:
    async with a_receiver(500) as receiver:
        made = await clarion.subscribe(receiver.url)
        receipt = await clarion.put("opening", an_item())
        await receiver.received(1)
        here = f"/console/deliveries/{receipt['event_id']}-{made['id']}"

        async def waits() -> bool:
            return f"{here}/retry" in await operator.page(here)

        await eventually(waits, "the delivery's waiting")
        await operator.press(here, f"{here}/retry")
        await receiver.received(2)

    assert receiver.requests[0].headers["webhook-id"] == receiver.requests[1].headers["webhook-id"]


async def test_a_delivery_among_the_dead_letters_is_retried_and_leaves_them(
    clarion: Clarion, operator: ConsoleOperator
) -> None:
    async with a_receiver(410) as receiver:
        made = await clarion.subscribe(receiver.url)
        receipt = await clarion.put("opening", an_item())
        delivery = f"{receipt['event_id']}-{made['id']}"

        async def is_buried() -> bool:
            return delivery in await operator.page("/console/dead-letters")

        await eventually(is_buried, "the dead letter")
        here = f"/console/subscriptions/{made['id']}"
        await operator.press(here, f"{here}/resume")
        page = await operator.press("/console/dead-letters", f"/console/deliveries/{delivery}/retry")
        await receiver.received(2)

    assert said(page) == "It is tried again now."
    assert "No delivery was given up" in text_of(page)
    assert receiver.requests[1].headers["webhook-id"] == delivery


async def test_a_replay_makes_deliveries_again_under_the_ids_they_had(
    clarion: Clarion, operator: ConsoleOperator
) -> None:
    async with a_receiver() as receiver:
        here = f"/console/subscriptions/{(await clarion.subscribe(receiver.url))['id']}"
        await clarion.put("opening", an_item())
        await receiver.received(1)
        span = {"since": "2026-01-01T00:00", "until": "2099-01-01T00:00"}

        page = await operator.press(here, f"{here}/replay", only="all", **span)
        await receiver.received(2)

        async def is_done() -> bool:
            return "done all that match, from 2026-01-01 00:00:00" in text_of(await operator.page(here))

        await eventually(is_done, "the end of the replay")
        refused = await operator.press(here, f"{here}/replay", since="tomorrow")

    assert said(page).startswith("The replay has begun.")
    assert receiver.requests[0].headers["webhook-id"] == receiver.requests[1].headers["webhook-id"]
    assert said(refused) == "“tomorrow” is no moment"


async def test_an_event_that_render_gave_up_is_replayed(
    clarion: Clarion, operator: ConsoleOperator, redis: Redis
) -> None:
    receipt = await clarion.put("opening", an_item())
    await clarion.page(receipt["url"])
    entries: Any = await redis.xrange(keys.ITEMS_STREAM)  # Any: entries of redis-py
    pairs = [part for pair in entries[0][1].items() for part in pair]
    letter: dict[EncodableT, EncodableT] = {"stream": keys.ITEMS_STREAM, "group": "render", "entry": "1-0"}
    letter |= {"reason": "broken", "fields": json.dumps(pairs)}
    letter_id = str(await redis.xadd(keys.DEAD_LETTERS, letter))

    page = await operator.press("/console/dead-letters", f"/console/dead-letters/{letter_id}/replay")
    again = await operator.http.post(
        f"/console/dead-letters/{letter_id}/replay",
        data={"csrf": page.partition('name="csrf" value="')[2].partition('"')[0]},
    )

    assert said(page) == "The event is back in its stream."
    assert "No event was given up" in text_of(page)
    assert (await redis.xinfo_stream(keys.ITEMS_STREAM))["entries-added"] == 2
    assert again.status_code == 303
    assert "not there any more" in said(await operator.page("/console/dead-letters"))


async def test_a_rebuild_brings_back_a_page_that_was_lost(clarion: Clarion, operator: ConsoleOperator) -> None:
    receipt = await clarion.put("opening", an_item())
    await clarion.page(receipt["url"])
    path = receipt["url"].removeprefix(clarion.settings.base_url).strip("/")
    (clarion.settings.output_dir / path / "index.html").unlink()

    asked = await operator.press("/console", "/console/rebuild")

    async def is_done() -> bool:
        return "Last rebuilt on demand" in text_of(await operator.page("/console"))

    await eventually(is_done, "the rebuild")
    assert said(asked).startswith("The site is being rebuilt")
    assert (await clarion.http.get(receipt["url"])).status_code == 200
    assert "asked for by bootstrap" in text_of(await operator.page("/console"))


async def test_withdrawing_takes_an_item_from_its_readers(clarion: Clarion, operator: ConsoleOperator) -> None:
    ways = {
        410: {"mode": "gone"},
        301: {"mode": "redirect", "to": "/en/news/"},
        200: {"mode": "notice", "notice": "Withdrawn by mistake."},
    }

    for status, form in ways.items():
        receipt = await clarion.put(form["mode"], an_item(title=f"The harbour, {form['mode']}"))
        before = await clarion.page(receipt["url"])
        here = f"/console/items/press/{form['mode']}"
        page = await operator.press(here, f"{here}/withdraw", sure="yes", **form)

        await eventually(partial(answers, clarion, receipt["url"], status, before), f"the answer {status}")
        assert said(page).startswith("Withdrawn.")
        assert "Withdraw this item" not in page
        assert f"Withdrawn {form['mode']}" in text_of(page)


async def answers(clarion: Clarion, url: str, status: int, before: str) -> bool:
    """Whether the address answers so, and no longer with the page before."""
    answer = await clarion.http.get(url)
    return answer.status_code == status and answer.text != before


async def test_withdrawing_wants_a_tick_and_tells_what_ingest_refused(
    clarion: Clarion, operator: ConsoleOperator
) -> None:
    await clarion.put("opening", an_item())
    here = "/console/items/press/opening"

    without_tick = await operator.press(here, f"{here}/withdraw", mode="gone")
    refused = await operator.press(here, f"{here}/withdraw", sure="yes", mode="redirect")

    assert "tick the box" in said(without_tick)
    assert "belongs to the mode redirect" in said(refused)
    assert (await clarion.http.get("/v1/items/press/opening")).json()["state"] == "published"


async def test_withdrawing_is_done_in_the_name_of_the_operators_own_key(
    clarion: Clarion, operator: ConsoleOperator, redis: Redis
) -> None:
    await clarion.put("opening", an_item())
    here = "/console/items/press/opening"

    await operator.press(here, f"{here}/withdraw", sure="yes", mode="gone")

    entries: Any = await redis.xrevrange(keys.AUDIT, count=1)  # Any: entries of redis-py
    note = entries[0][1]
    assert (note["act"], note["actor"], note["external_id"]) == ("withdrawn", "bootstrap", "opening")
