"""A rebuild waits for publishing, and still proceeds under constant load."""

import asyncio
import itertools
from typing import Any

from services.render.rebuild.publishing_load import PublishingLoad
from tests.render.newsroom import Press
from tests.waiting import eventually


async def looks(press: Press) -> int:
    """Return how often anybody has asked the store what waits."""
    statistics: Any = await press.redis.info("commandstats")  # Any: redis-py's mapping of everything
    return int(statistics.get("cmdstat_xinfo|groups", {}).get("calls", 0))


async def test_it_returns_once_an_event_is_worked_off_and_not_before(press: Press) -> None:
    await press.newsroom.publish("a")
    before = await looks(press)
    waiting = asyncio.create_task(PublishingLoad(press.redis, seconds=lambda: 0.0).until_idle())

    async def has_looked_again() -> bool:
        return await looks(press) > before + 1

    await eventually(has_looked_again, "a second look")
    was_done = waiting.done()
    await press.render()
    await waiting

    assert not was_done


async def test_where_nothing_waits_it_asks_each_time(press: Press) -> None:
    load = PublishingLoad(press.redis)
    before = await looks(press)

    for _ in range(3):
        await load.until_idle()

    assert await looks(press) == before + 3


async def test_behind_an_event_that_nobody_works_off_a_rebuild_runs_for_some_time_after_each_wait(press: Press) -> None:
    await press.newsroom.publish("a")
    hundredths = itertools.count()
    load = PublishingLoad(press.redis, seconds=lambda: next(hundredths) / 100)

    await load.until_idle()
    before = await looks(press)
    await load.until_idle()

    assert await looks(press) == before
