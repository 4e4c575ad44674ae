"""
What one publish costs in archives of different sizes.

For each size: fill a store with a generated archive over 120 months, build the site, then publish documents one by one
(one tag, no translation) and measure the time until page and column can be read, the files written and the processor
time of the render process; beside it, in the same run, forty bare renames on the same disk.

    .venv/bin/python benchmarks/render_publish.py --sizes 1000,10000 --publishes 200 --output /dev/shm/clarion
"""

import argparse
import asyncio
import os
import random
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from redis.asyncio import Redis

from services.embedded_redis import embedded_redis
from services.render.announcing import GROUP
from services.render.output import Output
from services.render.parts import Rendering, adopt_edition, assemble
from shared import keys
from shared.clock import to_ms
from shared.ids import item_id
from shared.item_writer import ItemWriter, NewEvent, Write, fields_of
from shared.items import Item, Revision
from shared.listings import Listing, placement_of
from shared.metrics import pages_total
from shared.redis_client import connect
from shared.settings import Settings
from shared.site_file import Site, load_site
from shared.streams import Entry
from shared.urls import item_path, month_of
from tests.factories import a_site_file

MONTHS = 120
TAGS = ("sea", "port", "trade", "budget", "culture", "roads", "schools", "health")
SECTIONS = ("news", "documents", "documents/orders")
RENAMES = 40
WARM_UP = 5


@dataclass(frozen=True)
class Archive:
    """A store with a site on disk."""

    redis: Redis
    settings: Settings
    site: Site
    rendering: Rendering


def revision_of(number: int, now: datetime, size: int, site: Site, pick: random.Random) -> tuple[Item, Revision]:
    """Return a generated item; the archive's items are spread evenly over its months."""
    published = now - timedelta(days=30.4 * MONTHS * (size - number) / size, minutes=1)
    section = SECTIONS[number % len(SECTIONS)]
    name = f"item-{number}"
    words = " ".join(pick.choices(WORDS, k=180))
    revision = Revision(
        number=1,
        accepted_at=published,
        lang="en",
        section=section,
        title=f"{pick.choice(WORDS).title()} {pick.choice(WORDS)} {number}",
        body=f"{words[:600]}.\n\n{words[600:]}.",
        published_at=published,
        tags=(TAGS[number % len(TAGS)],),
        path=item_path("en", section, month_of(published, site.zone), name),
    )
    return _item(name, revision, published), revision


def _item(name: str, revision: Revision, released_at: datetime) -> Item:
    return Item(
        id=item_id("press", name),
        source="press",
        external_id=name,
        state="published",
        latest=1,
        public=1,
        content_sha256=revision.content_sha256,
        path=revision.path,
        accepted_at=revision.accepted_at,
        released_at=released_at,
        publish_at=None,
        last_event=1,
        announced=1,
    )


WORDS = [
    "harbour",
    "bridge",
    "minister",
    "order",
    "letter",
    "council",
    "budget",
    "road",
    "school",
    "border",
    "treaty",
    "fishing",
    "water",
    "energy",
    "visit",
]


async def fill(redis: Redis, site: Site, size: int) -> None:
    """Write an archive as the script that writes items would have left it, a thousand items at a time."""
    now, pick = datetime.now(UTC), random.Random(1)
    last: dict[tuple[Listing, str], int] = {}
    for start in range(0, size, 1000):
        pipe = redis.pipeline(transaction=False)
        paths: dict[str, str] = {}
        members: dict[str, dict[str, int]] = {}
        for number in range(start, min(start + 1000, size)):
            item, revision = revision_of(number, now, size, site, pick)
            placement = placement_of(revision, revision.accepted_at, site)
            assert placement is not None
            pipe.hset(keys.item(item.id), mapping={**fields_of(item), "announced": 1, "write_id": "x"})
            pipe.hset(keys.revisions(item.id), "1", revision.model_dump_json(exclude_defaults=True))
            paths[item.path or ""] = item.id
            for listing in placement.listings:
                members.setdefault(keys.newest(listing), {})[item.id] = to_ms(placement.published_at)
                members.setdefault(keys.released(listing), {})[item.id] = to_ms(placement.released_at)
                for field, key in (
                    (f"archive:{placement.published_month}", keys.archive_month(listing, placement.published_month)),
                    (f"feed:{placement.released_month}", keys.feed_month(listing, placement.released_month)),
                ):
                    last[listing, field] = last.get((listing, field), 0) + 1
                    members.setdefault(key, {})[item.id] = last[listing, field]
        pipe.hset(keys.PATHS, mapping=paths)
        for key, scores in members.items():
            pipe.zadd(key, scores)
        await pipe.execute()
    pipe = redis.pipeline(transaction=False)
    for (listing, field), number in last.items():
        pipe.hset(keys.listing(listing), mapping={field: number, "changed": to_ms(now)})
    await pipe.execute()


async def publish(archive: Archive, name: str) -> str:
    """Publish a document and return its path."""
    now = datetime.now(UTC)
    path = item_path("en", "documents/orders", month_of(now, archive.site.zone), name)
    revision = Revision(
        number=1,
        accepted_at=now,
        lang="en",
        section="documents/orders",
        title=f"Order {name}",
        body="It is ordered.\n\nIt takes effect today.",
        published_at=now,
        tags=("sea",),
        path=path,
    )
    item = _item(name, revision, now)
    event = NewEvent("item.published.v1", "major", now, "benchmark")
    write = Write(f"write-{name}", None, item, None, revision, revision, event)
    assert await ItemWriter(archive.redis, archive.site).write(write) == "written"
    return path


async def take(redis: Redis) -> list[Entry]:
    found = await redis.xreadgroup(GROUP, "benchmark", {keys.ITEMS_STREAM: ">"}, count=100, block=1000)
    return [Entry(entry_id, fields) for _, entries in found for entry_id, fields in entries]


async def measure(archive: Archive, publishes: int) -> None:
    """Publish one after the other and print what it cost."""
    waits, processor, files = [], [], []
    root = archive.settings.output_dir
    for number in range(publishes):
        name = f"new-{number}"
        started = time.perf_counter()
        path = await publish(archive, name)
        entries = await take(archive.redis)
        before = time.process_time()
        written = files_written()
        await archive.rendering.consumer.on_item_events(entries)
        processor.append(time.process_time() - before)
        waits.append(time.perf_counter() - started)
        files.append(files_written() - written)
        assert (root / path.lstrip("/") / "index.html").is_file()
        assert f"Order {name}" in (root / "_fragments/en/latest.html").read_text()
    print(f"  to readable: p50 {ms(statistics.median(waits))}  p99 {ms(percentile(waits, 99))}  of {publishes}")
    print(f"  processor time of render: mean {ms(statistics.mean(processor))}  p50 {ms(statistics.median(processor))}")
    print(f"  files written: most {max(files)}  median {statistics.median(files):.0f}")


def files_written() -> int:
    """Return how many files have been written so far."""
    (metric,) = pages_total.collect()
    return int(
        sum(one.value for one in metric.samples if one.name.endswith("_total") and one.labels["result"] == "written")
    )


def bare_renames(folder: Path) -> float:
    """Return the median time of replacing so many files of 20 kB by renaming others onto them."""
    took = []
    content = os.urandom(20_000)
    targets = [folder / f"target-{number}" for number in range(RENAMES)]
    for target in targets:
        target.write_bytes(content)
    for _ in range(20):
        started = time.perf_counter()
        for target in targets:
            beside = target.with_suffix(".new")
            beside.write_bytes(content)
            beside.replace(target)
        took.append(time.perf_counter() - started)
    return statistics.median(took)


def percentile(values: list[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


async def run(size: int, publishes: int, output: Path, *, is_built: bool) -> None:
    folder = Path(tempfile.mkdtemp(prefix="clarion-benchmark-", dir=output))
    with embedded_redis(folder / "store") as server:
        settings = Settings(
            redis_url=server.url,
            site_file=a_site_file(folder),
            output_dir=folder / "output",
            base_url="http://127.0.0.1:1",
        )
        redis, site = connect(server.url), load_site(settings.site_file)
        started = time.perf_counter()
        await redis.config_set("appendfsync", "no")
        await fill(redis, site, size)
        await redis.config_set("appendfsync", "always")
        rendering = assemble(redis, await adopt_edition(settings, redis), Output(settings.output_dir))
        await redis.xgroup_create(keys.ITEMS_STREAM, GROUP, id="0", mkstream=True)
        filled = time.perf_counter()
        await rendering.ticker.tick()
        if is_built:
            await rendering.rebuild.run()
        built = time.perf_counter()
        print(f"{size} items: filled in {filled - started:.1f} s, site built in {built - filled:.1f} s, on {folder}")
        archive = Archive(redis, settings, site, rendering)
        for number in range(WARM_UP):
            await publish(archive, f"warm-{number}")
            await rendering.consumer.on_item_events(await take(redis))
        await measure(archive, publishes)
        print(f"  {RENAMES} bare renames: {ms(bare_renames(folder))}")
        await redis.aclose()
    shutil.rmtree(folder)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--sizes", default="1000,10000")
    parser.add_argument("--publishes", type=int, default=200)
    parser.add_argument("--output", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--unbuilt", action="store_true", help="write only those old pages that lists name")
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    chosen.output.mkdir(parents=True, exist_ok=True)
    for size in map(int, chosen.sizes.split(",")):
        asyncio.run(run(size, chosen.publishes, chosen.output, is_built=not chosen.unbuilt))


if __name__ == "__main__":
    main()
