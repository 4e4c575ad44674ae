"""Pages that go on changing while they are looked at."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx

from services.notify.console.live import live_events
from shared.model.errors import NotFound
from tests.clarion import Clarion
from tests.factories import an_item
from tests.notify.console.operators import ConsoleOperator
from tests.waiting import PATIENCE_SECONDS

STREAM = {"Accept": "text/event-stream"}


async def told(answer: httpx.Response) -> AsyncIterator[tuple[str, str]]:
    """Yield the events of the stream: name and data."""
    name = ""
    async for line in answer.aiter_lines():
        if line.startswith("event:"):
            name = line.removeprefix("event:").strip()
        elif line.startswith("data:"):
            yield name, line.removeprefix("data:").strip()


async def test_a_page_that_is_followed_shows_what_happens(clarion: Clarion, operator: ConsoleOperator) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), operator.http.stream("GET", "/console", headers=STREAM) as answer:
        events = told(answer)
        first = await anext(events)
        await clarion.put("opening", an_item(title="The harbour <opens>"))

        async for name, data in events:
            if name == "live" and "The harbour" in data:
                break

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert first[0] == "live"
    html = json.loads(data)
    assert html.lstrip().startswith("<section")
    assert "The harbour &lt;opens&gt;" in html


async def test_following_ends_with_the_session(operator: ConsoleOperator) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), operator.http.stream("GET", "/console", headers=STREAM) as answer:
        events = told(answer)
        await anext(events)
        await operator.send("/console", "/console/sign-out")

        rest = [name async for name, _ in events]

    assert rest[-1] == "over"


async def test_who_is_not_signed_in_follows_nothing(visitor: ConsoleOperator) -> None:
    answer = await visitor.http.get("/console", headers=STREAM)

    assert answer.text == "event: over\ndata:\n\n"


async def test_a_page_is_sent_again_only_when_it_has_changed() -> None:
    pages = iter(["a", "a", "b"])
    stopping = asyncio.Event()

    async def look() -> str:
        page = next(pages)
        if page == "b":
            stopping.set()
        return page

    sent = [event async for event in live_events(look, stopping)]

    assert sent == ['event: live\ndata: "a"\n\n', 'event: live\ndata: "b"\n\n']


async def test_a_store_that_is_away_is_told_and_waited_for() -> None:
    looks = iter(["", "", "back"])
    stopping = asyncio.Event()

    async def look() -> str:
        found = next(looks)
        if not found:
            raise OSError("away")
        stopping.set()
        return found

    sent = [event async for event in live_events(look, stopping)]

    assert sent == ["event: away\ndata:\n\n", 'event: live\ndata: "back"\n\n']


async def test_a_page_that_is_gone_ends_the_stream() -> None:
    async def look() -> str:
        raise NotFound("it was deleted")

    sent = [event async for event in live_events(look, asyncio.Event())]

    assert sent == ["event: over\ndata:\n\n"]
