"""The public log over HTTP."""

import asyncio
import socket
from contextlib import aclosing
from datetime import timedelta

import pytest
import structlog
from fastapi import FastAPI
from redis.asyncio import Redis

from services.notify.log.api import events_router, sent_events
from services.notify.log.event_log import EventLog
from shared.http.server import http_server
from shared.model.events import FEEDS_CHANGED, AnnouncedEvent
from shared.model.ids import EventId, LogId
from shared.store import keys
from tests.notify.factories import Service, an_event, announce
from tests.waiting import eventually

FEEDS = AnnouncedEvent(EventId("f"), FEEDS_CHANGED, "", "0" * 32, "", ("/en/feed.rss",))


async def test_events_are_read_from_the_oldest_page_by_page_without_a_key(service: Service) -> None:
    await announce(service.redis, *(an_event(f"e{n}") for n in range(5)))
    service.http.headers.pop("Authorization")

    first = (await service.http.get("/v1/events", params={"limit": 3})).json()
    second = (await service.http.get("/v1/events", params={"after": first["next"], "limit": 3})).json()
    end = (await service.http.get("/v1/events", params={"after": second["next"]})).json()

    assert [event["id"] for event in first["events"]] == ["e0", "e1", "e2"]
    assert [event["id"] for event in second["events"]] == ["e3", "e4"]
    assert end == {"events": [], "next": second["next"]}
    assert first["events"][2]["cursor"] == first["next"]
    assert first["events"][0]["type"] == "item.published.v1"
    assert first["events"][0]["data"]["event_id"] == "e0"


async def test_what_is_not_public_is_passed_over(service: Service) -> None:
    last = await announce(service.redis, FEEDS, an_event("e"), FEEDS, FEEDS)

    answer = (await service.http.get("/v1/events")).json()

    assert [event["id"] for event in answer["events"]] == ["e"]
    assert answer["next"] == last


async def test_an_empty_log_has_a_place_to_begin(service: Service) -> None:
    answer = (await service.http.get("/v1/events")).json()

    await announce(service.redis, an_event("e"))
    following = (await service.http.get("/v1/events", params={"after": answer["next"]})).json()

    assert answer["events"] == []
    assert [event["id"] for event in following["events"]] == ["e"]


async def test_a_place_that_is_no_longer_kept_is_gone_and_the_oldest_is_named(service: Service) -> None:
    early = await announce(service.redis, an_event("e0"))
    gone = await announce(service.redis, an_event("e1"))
    kept = await announce(service.redis, an_event("e2"))
    await service.redis.xtrim(keys.PAGES_STREAM, minid=kept, approximate=False)
    await service.redis.hset(keys.TRIMMED, keys.PAGES_STREAM, gone)

    answer = await service.http.get("/v1/events", params={"after": early})
    following = await service.http.get("/v1/events", params={"after": answer.json()["oldest"]})
    stream = await service.http.get("/v1/events/stream", headers={"Last-Event-ID": early})

    assert answer.status_code == stream.status_code == 410
    assert answer.headers["content-type"] == "application/problem+json"
    assert [event["id"] for event in following.json()["events"]] == ["e2"]
    assert (await service.http.get("/v1/events", params={"after": gone})).status_code == 200
    assert (await service.http.get("/v1/events")).json()["events"][0]["id"] == "e2"


@pytest.mark.parametrize(
    "params", [{"after": "x"}, {"after": "1"}, {"after": "1-" + "9" * 30}, {"limit": 0}, {"limit": 1001}]
)
async def test_a_place_that_is_none_is_refused(service: Service, params: dict[str, str]) -> None:
    answer = await service.http.get("/v1/events", params=params)

    assert answer.status_code == 422


async def test_a_stream_sends_what_is_there_and_what_comes_and_ends_when_told(redis: Redis) -> None:
    stopping = asyncio.Event()
    first, second = an_event("e1"), an_event("e2")
    place = await announce(redis, first)

    async with aclosing(sent_events(EventLog(redis), LogId("0-0"), stopping)) as stream:
        await anext(stream)
        there = await anext(stream)
        after = await announce(redis, FEEDS, second)
        came = await anext(stream)
        stopping.set()
        rest = [part async for part in stream]

    assert there == f"id: {place}\nevent: item.published.v1\ndata: {first.body}\n\n"
    assert came == f"id: {after}\nevent: item.published.v1\ndata: {second.body}\n\n"
    assert rest == []


async def test_a_reader_that_does_not_read_is_dropped(redis: Redis) -> None:
    await announce(redis, *(an_event(title="x" * 18_000) for _ in range(600)))
    app, stopping = FastAPI(), asyncio.Event()
    app.include_router(events_router(EventLog(redis), stopping, timedelta(seconds=0.3)))
    with socket.socket() as reader, structlog.testing.capture_logs() as told:
        # Eleven megabytes do not fit between us.
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        async with http_server(app, "127.0.0.1", 0, stopping) as port:
            await asyncio.to_thread(reader.connect, ("127.0.0.1", port))
            reader.sendall(b"GET /v1/events/stream?after=0-0 HTTP/1.1\r\nHost: notify\r\n\r\n")

            await eventually(lambda: any(line["event"] == "stream.dropped" for line in told))
            reader.close()
