"""
What a rebuild costs publishes beside it: the time until a new item is announced, with a rebuild running and without.

Every page of the archive waits to be rebuilt: in its place stands an empty file with the right time. Render runs in a
process of its own and rebuilds there, or another process does (`--rebuild-in`), as `clarion rebuild` would. Rounds with
the rebuild going on and rounds with it stopped take turns, so that both meet the same machine.

    python -m benchmarks.render_beside_rebuild --items 100000 --step items --rebuild-in render
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import signal
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from redis.asyncio import Redis

from benchmarks.render_archive import Archive, an_archive, ms, percentile, publish
from services.render.editions.current import adopt_edition
from services.render.output.files import page_time_ns
from services.render.output.volume import Output
from services.render.wiring import assemble
from shared.model.ids import ItemId
from shared.runtime.background import background
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.item_store import ItemStore
from shared.store.public_items import PublicItems
from shared.store.redis_client import connect
from shared.store.streams import StreamConsumer
from tests.factories import SITE_TOML

NICENESS = 10  # as `clarion rebuild` has it
WARM_UP = 10
# A newsroom that sends without any pause leaves a rebuild no moment to work in.
PAUSES_SECONDS = (0.02, 0.08)

Work = Callable[[Settings], Awaitable[None]]


async def render(settings: Settings) -> None:
    """Render what is published."""
    redis = connect(settings.redis_url)
    consumer = assemble(redis, (await adopt_edition(settings, redis)).edition, Output(settings.output_dir)).consumer
    stream = StreamConsumer(
        settings.redis_url,
        keys.ITEMS_STREAM,
        keys.RENDER_GROUP,
        consumer.on_item_events,
        consumer.bury,
        claim_after=settings.claim_after,
    )
    async with stream.running():
        await asyncio.Event().wait()


async def render_and_rebuild(settings: Settings) -> None:
    """Render what is published, and rebuild in the same process."""
    async with background(rebuild(settings)):
        await render(settings)


async def rebuild_nicely(settings: Settings) -> None:
    """Rebuild as the command does, between SIGUSR1 and SIGUSR2."""
    os.nice(NICENESS)
    await rebuild(settings)


async def rebuild(settings: Settings) -> None:
    """Rebuild between SIGUSR1 and SIGUSR2; what was stopped goes on where it was."""
    redis = connect(settings.redis_url)
    work = assemble(redis, (await adopt_edition(settings, redis)).edition, Output(settings.output_dir)).rebuild
    running: list[asyncio.Task[Any]] = []  # Any: what it did is of no interest
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: running.append(loop.create_task(work.run())))
    loop.add_signal_handler(signal.SIGUSR2, lambda: running.pop().cancel())
    (settings.output_dir / ".clarion" / "benchmark").touch()
    await asyncio.Event().wait()


@contextmanager
def processes(settings: Settings, *works: Work) -> Iterator[list[int]]:
    """Have each of these in a process of its own while the block runs."""
    context = multiprocessing.get_context("spawn")
    started = [context.Process(target=_in_process, args=(work, settings), daemon=True) for work in works]
    for process in started:
        process.start()
    try:
        yield [process.pid or 0 for process in started]
    finally:
        for process in started:
            process.kill()
            process.join()


def _in_process(work: Work, settings: Settings) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    asyncio.run(_awaited(work(settings)))


async def _awaited(work: Awaitable[None]) -> None:
    await work


async def plant_pages(archive: Archive, step: str) -> None:
    """Put an empty file where each page of an item stands, and have a rebuild begin with the step."""
    output = Output(archive.settings.output_dir)
    edition = (await adopt_edition(archive.settings, archive.redis)).edition
    public_items = PublicItems(ItemStore(archive.redis), edition.site.languages)
    cursor = -1
    while cursor:
        cursor, found = await archive.redis.hscan(keys.PATHS, max(0, cursor), count=500)
        for item in (await public_items.by_id([*map(ItemId, found.values())])).values():
            output.write(item.path, b"", page_time_ns(item))
    mark = {"fingerprint": edition.record.fingerprint, "section": None, "items_are_done": step == "lists"}
    output.keep_mark(json.dumps(mark))


class Log:
    """What is announced, read on from where it was read last."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._last = "0-0"

    async def next(self) -> None:
        """Return once something is announced; one thing at a time is."""
        while not (found := await self._redis.xread({keys.PAGES_STREAM: self._last}, count=1, block=5000)):
            pass
        self._last = found[0][1][0][0]


async def a_round(archive: Archive, log: Log, name: str, publishes: int) -> list[float]:
    """Publish so many items, with pauses, and return how many seconds later subscribers could be told of each."""
    took, pick = [], random.Random(name)
    for number in range(publishes):
        await asyncio.sleep(pick.uniform(*PAUSES_SECONDS))
        started = time.perf_counter()
        await publish(archive, f"{name}-{number}")
        await log.next()
        took.append(time.perf_counter() - started)
    return took


async def until(is_so: Callable[[], bool]) -> None:
    """Return once it is so."""
    while not is_so():  # noqa: ASYNC110 - files tell only who asks
        await asyncio.sleep(0.02)


async def run(chosen: argparse.Namespace) -> None:
    """Fill an archive, and publish into it beside a rebuild and without one by turns."""
    async with an_archive(chosen.items, SITE_TOML, chosen.output) as archive:
        await plant_pages(archive, chosen.step)
        await archive.rendering.ticker.tick()
        print(
            f"{chosen.items} items, step {chosen.step}, rebuild in {chosen.rebuild_in}, load {os.getloadavg()[0]:.1f}"
        )
        works = (render_and_rebuild,) if chosen.rebuild_in == "render" else (render, rebuild_nicely)
        alone: list[float] = []
        beside: list[float] = []
        output, log = Output(archive.settings.output_dir), Log(archive.redis)
        with processes(archive.settings, *works) as pids:
            await until((archive.settings.output_dir / ".clarion" / "benchmark").exists)
            await a_round(archive, log, "warm", WARM_UP)
            for number in range(chosen.rounds):
                alone += await a_round(archive, log, f"alone-{number}", chosen.publishes)
                os.kill(pids[-1], signal.SIGUSR1)
                beside += await a_round(archive, log, f"beside-{number}", chosen.publishes)
                os.kill(pids[-1], signal.SIGUSR2)
                mark = json.loads(output.mark() or "{}")
                print(f"  round {number}: rebuilt {mark['items']} items, {mark['lists']} groups of lists")
        for what, values in (("alone", alone), ("beside a rebuild", beside)):
            print(f"  {what + ':':18} {_spread(values)} of {len(values)}")
        ratio = percentile(beside, 99) / percentile(alone, 99)
        print(f"  p99 beside / alone: {ratio:.2f}, p50 {statistics.median(beside) / statistics.median(alone):.2f}")
        print(f"  load at the end {os.getloadavg()[0]:.1f}")


def _spread(values: list[float]) -> str:
    p95, p99 = ms(percentile(values, 95)), ms(percentile(values, 99))
    return f"p50 {ms(statistics.median(values))}  p95 {p95}  p99 {p99}  most {ms(max(values))}"


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--step", choices=("items", "lists"), default="items", help="what the rebuild is at")
    parser.add_argument("--rebuild-in", choices=("render", "process"), default="render")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--publishes", type=int, default=40, help="of each round")
    parser.add_argument("--output", type=Path, default=Path(tempfile.gettempdir()))
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    asyncio.run(run(chosen))


if __name__ == "__main__":
    main()
