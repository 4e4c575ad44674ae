"""The service from end to end: an entry of the log reaches endpoints."""

import asyncio
from datetime import timedelta

from aiohttp import web
from redis.asyncio import Redis

from tests.notify.factories import Service, a_service, an_event, announce, settings_for
from tests.receiver import Received, a_receiver
from tests.waiting import eventually


async def test_an_announced_event_reaches_its_subscriber_signed_and_to_the_byte(service: Service) -> None:
    async with a_receiver() as receiver:
        made = await service.subscribe(receiver.url)
        event = an_event(title="Überraschung 🎉")

        await announce(service.redis, event)

        await eventually(lambda: len(receiver.requests) == 1)
        heard = receiver.requests[0]
        heard.verify(made["secret"])
        assert heard.body == event.body.encode()
        assert heard.id == f"{event.id}-{made['id']}"
        assert heard.headers["content-type"] == "application/json"
        assert heard.headers["user-agent"].startswith("Clarion/")
        assert heard.headers["traceparent"].startswith(f"00-{event.trace_id}-")


async def test_a_failed_delivery_is_repeated_under_the_same_id(service: Service) -> None:
    async with a_receiver(500, 503) as receiver:
        made = await service.subscribe(receiver.url)

        await announce(service.redis, an_event())

        await eventually(lambda: len(receiver.requests) == 3)
        assert len({request.id for request in receiver.requests}) == 1
        answer = await service.http.get(f"/v1/subscriptions/{made['id']}/attempts")
        await eventually(lambda: True)
        assert [one["status"] for one in answer.json()["attempts"]][-2:] == [503, 500]


async def test_events_before_the_subscription_are_not_heard(service: Service) -> None:
    async with a_receiver() as receiver:
        await announce(service.redis, an_event("early"))
        await service.subscribe(receiver.url)

        await announce(service.redis, an_event("late"))

        await eventually(lambda: len(receiver.requests) == 1)
        assert receiver.event_ids == ["late"]


async def test_endpoints_that_hang_delay_no_other(redis: Redis, store_url: str) -> None:
    gate = asyncio.Event()

    async def hang(_: Received) -> web.StreamResponse:
        await gate.wait()
        return web.Response()

    async with (
        a_service(redis, settings_for(store_url, attempt_timeout=timedelta(hours=1))) as service,
        a_receiver(answer=hang) as hanging,
        a_receiver() as prompt,
    ):
        for _ in range(100):
            await service.subscribe(hanging.url)
        await service.subscribe(prompt.url)
        for _ in range(5):
            await announce(service.redis, an_event())

        await eventually(lambda: len(prompt.requests) == 5, "the prompt endpoint's turn while the others hang")
        gate.set()
