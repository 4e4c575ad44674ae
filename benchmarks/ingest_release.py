"""
How late embargoed items come out, by the store's clock: `python -m benchmarks.ingest_release [ITEMS] [REPLICAS]`.

Ingest runs in this process, with as many more schedulers as there would be with so many replicas of it, and render in
another. At first every item has a moment of its own, one after the other; after that all items share one moment, as
the papers of a budget do. `released` is the entry that the release writes, `visible` the announcement, when the page
can be read.
"""

import asyncio
import contextlib
import logging
import multiprocessing
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import structlog
from redis.asyncio import Redis

from services.dev.embedded_store import embedded_redis
from services.ingest.publishing.publisher import Publisher
from services.ingest.publishing.scheduler import Scheduler
from services.render import app as render_app
from shared.model.clock import store_now, to_ms
from shared.runtime.background import background
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.item_writer import ItemWriter
from shared.store.redis_client import connect
from tests.factories import an_item, some_settings
from tests.ingest_service import Ingest, running_ingest
from tests.ports import a_free_port
from tests.waiting import eventually

_APART = timedelta(milliseconds=50)
_AHEAD = timedelta(seconds=8)
LIMIT_MS = 250


@dataclass(frozen=True)
class Lateness:
    """How many milliseconds after their moments items were released and could be read."""

    released: Sequence[int]
    visible: Sequence[int]

    def __str__(self) -> str:
        return f"released {_spread(self.released)}, visible {_spread(self.visible)}"


async def measure(items: int, replicas: int) -> int:
    """Measure, print, and return 1 where an item was early, or late by more than the limit though it came alone."""
    with tempfile.TemporaryDirectory() as folder, embedded_redis(Path(folder) / "store") as server:
        port = a_free_port()
        settings = some_settings(Path(folder), server.url, port=port, base_url=f"http://127.0.0.1:{port}")
        redis = connect(server.url)
        async with (
            rendering(settings),
            running_ingest(settings, redis) as ingest,
            more_schedulers(ingest, replicas - 1),
        ):
            alone = await lateness(ingest, "alone", items, _APART)
            together = await lateness(ingest, "together", items, timedelta())
        await redis.aclose()
    print(f"{items} items, {replicas} schedulers, milliseconds after the moment")
    print(f"  each at a moment of its own: {alone}")
    print(f"  all at one moment:           {together}")
    is_early = min(*alone.released, *together.released) < 0
    return int(is_early or _percentile(alone.released, 99) > LIMIT_MS)


@contextlib.asynccontextmanager
async def rendering(settings: Settings) -> AsyncIterator[None]:
    """Run render in a process of its own."""
    up, stop = multiprocessing.Event(), multiprocessing.Event()
    process = multiprocessing.Process(target=render, args=(settings, up, stop))
    process.start()
    try:
        await asyncio.to_thread(up.wait, 30)
        yield
    finally:
        stop.set()
        await asyncio.to_thread(process.join, 15)


def render(settings: Settings, up: Event, stop: Event) -> None:
    log_little()

    async def run() -> None:
        async with render_app.running(settings):
            await eventually(settings.output_dir.joinpath(".clarion", "built").exists, "the first build")
            up.set()
            await asyncio.to_thread(stop.wait)

    asyncio.run(run())


@contextlib.asynccontextmanager
async def more_schedulers(ingest: Ingest, count: int) -> AsyncIterator[None]:
    """Run schedulers beside the one of the service."""
    writer = ItemWriter(ingest.redis)
    publisher = Publisher(ingest.store, writer, ingest.site, ingest.settings.base_url)
    async with background(*(Scheduler(ingest.redis, publisher).run() for _ in range(count))):
        yield


async def lateness(ingest: Ingest, name: str, items: int, apart: timedelta) -> Lateness:
    """Hold items back, wait until all are out, and return how late each was."""
    redis = ingest.redis
    first = await store_now(redis) + _AHEAD
    moments: dict[str, datetime] = {}
    for number in range(items):
        moment = first + apart * number
        item = an_item(title=f"Paper {number}", publish_at=moment.isoformat(), published_at=...)
        receipt = await ingest.put(f"{name}-{number}", item)
        moments[f"{receipt['id']}-1"] = moment
    if await store_now(redis) > first:
        raise RuntimeError("sending took longer than the embargo: ask for fewer items")

    async def are_out() -> bool:
        return moments.keys() <= (await _entries(redis, keys.PAGES_STREAM)).keys()

    await eventually(are_out, "the last announcement")
    streams = [await _entries(redis, stream) for stream in (keys.ITEMS_STREAM, keys.PAGES_STREAM)]
    released, visible = ([at[event] - to_ms(moment) for event, moment in moments.items()] for at in streams)
    return Lateness(released, visible)


async def _entries(redis: Redis, stream: str) -> dict[str, int]:
    found: Any = await redis.xrange(stream)  # Any: redis-py's reply
    return {fields["id"]: int(entry.partition("-")[0]) for entry, fields in found}


def _spread(values: Sequence[int]) -> str:
    middle, late = statistics.median(values), _percentile(values, 99)
    return f"p50 {middle:.0f}, p99 {late}, earliest {min(values)}, last {max(values)}"


def log_little() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


def _percentile(values: Sequence[int], percent: int) -> int:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


if __name__ == "__main__":
    log_little()
    asked = [int(argument) for argument in sys.argv[1:]]
    sys.exit(asyncio.run(measure(*(asked + [200, 3][len(asked) :]))))
