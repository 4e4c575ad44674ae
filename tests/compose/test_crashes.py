"""What happens to items on their way when a container dies, or is told to stop, in the middle of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest

from tests.compose import engine
from tests.compose.outside import Endpoint, Outside, patiently

EVERY_CONTAINER = ["valkey", "ingest", "render", "notify", "nginx"]
# Items on their way at a time, and how many are accepted before and after the blow.
_AT_ONCE = 8
_PAUSE_SECONDS = 0.2
_BEFORE, _AFTER = 40, 40


@dataclass
class Load:
    """Upstream systems that publish one item after the other; `receipts` holds what was accepted."""

    outside: Outside
    receipts: list[dict[str, str]] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Load"]:
        """Publish while the block runs; leaving it waits for what is on its way."""
        stopping = asyncio.Event()

        async def publish() -> None:
            while not stopping.is_set():
                self.receipts.append(await self.outside.publish(title="Under way"))
                await asyncio.sleep(_PAUSE_SECONDS)

        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(publish())
            try:
                yield self
            finally:
                stopping.set()

    async def accepted(self, count: int) -> None:
        """Wait until so many more are accepted."""
        wanted = len(self.receipts) + count

        async def enough() -> bool:
            return len(self.receipts) >= wanted

        await patiently(enough, f"{count} more accepted items")

    @property
    def event_ids(self) -> set[str]:
        return {receipt["event_id"] for receipt in self.receipts}


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("on_this_engine")
@pytest.mark.parametrize("service", EVERY_CONTAINER)
async def test_a_killed_container_heals_and_loses_nothing(service: str, outside: Outside, endpoint: Endpoint) -> None:
    await outside.subscribe(endpoint)
    victim = engine.containers(service)[0]

    async with Load(outside).running() as load:
        await load.accepted(_BEFORE)
        engine.crash(victim)
        await load.accepted(_AFTER)
        await patiently(lambda: _is_back(victim), f"{service} back and healthy")

    await endpoint.heard_all_of(load.event_ids)
    for receipt in load.receipts:
        assert (await outside.http.get(receipt["url"])).status_code == httpx.codes.OK


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("on_this_engine")
@pytest.mark.parametrize("service", ["ingest", "render", "notify"])
async def test_a_stopped_service_ends_in_time_and_loses_and_doubles_nothing(
    service: str, outside: Outside, endpoint: Endpoint
) -> None:
    await outside.subscribe(endpoint, seconds=0.2)
    told_to_stop = engine.containers(service)[0]

    async with Load(outside).running() as load:
        await load.accepted(_BEFORE)
        exit_code, took = await asyncio.to_thread(engine.stop, told_to_stop)
        last_words = engine.last_words(told_to_stop)
        engine.docker("start", told_to_stop.id)
        await load.accepted(_AFTER)
        await patiently(lambda: _is_back(told_to_stop), f"{service} back and healthy")

    assert exit_code == 0, last_words
    assert took < 10  # the promise of the documentation
    heard = await endpoint.heard_all_of(load.event_ids)
    assert [event for event, times in heard.items() if times > 1] == []


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("on_this_engine")
async def test_an_upgrade_is_noticed_by_nobody(outside: Outside, endpoint: Endpoint) -> None:
    await outside.subscribe(endpoint)
    before = {service: engine.containers(service) for service in ("ingest", "render", "notify")}

    async with Load(outside).running() as load:
        await load.accepted(_BEFORE)
        await asyncio.to_thread(engine.upgrade)
        await load.accepted(_AFTER)

    after = {service: engine.containers(service) for service in before}
    assert [len(found) for found in after.values()] == [len(found) for found in before.values()]
    assert {one.id for found in before.values() for one in found} & {
        one.id for found in after.values() for one in found
    } == set()
    assert outside.failures == []
    heard = await endpoint.heard_all_of(load.event_ids)
    assert [event for event, times in heard.items() if times > 1] == []


async def _is_back(before: engine.Container) -> bool:
    now = next(one for one in engine.containers(before.service) if one.id == before.id)
    return now.pid not in (0, before.pid) and now.health == "healthy"
