"""What render's benchmarks share: a generated archive over 120 months, and publishing into it."""

import contextlib
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from redis.asyncio import Redis

from services.dev.embedded_store import embedded_redis
from services.render.editions.current import adopt_edition
from services.render.output.volume import Output
from services.render.wiring import Rendering, assemble
from shared.model.clock import to_ms
from shared.model.ids import item_id
from shared.model.items import Item, Revision
from shared.model.listings import Listing, placement_of
from shared.model.site_file import Site, load_site
from shared.model.urls import item_path, month_of
from shared.runtime.metrics import pages_total
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.item_writer import ItemWriter, NewEvent, Write, fields_of
from shared.store.redis_client import connect
from shared.store.streams import Entry

MONTHS = 120
AGE = timedelta(days=30.4 * MONTHS)
TAGS = ("sea", "port", "trade", "budget", "culture", "roads", "schools", "health")
SECTIONS = ("news", "documents", "documents/orders")
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

Make = Callable[[int, datetime, Site, random.Random], tuple[Item, Revision]]
"""Makes the item of a number, published at a moment."""


@dataclass(frozen=True)
class Archive:
    """A store with a site on disk."""

    redis: Redis
    settings: Settings
    site: Site
    rendering: Rendering


@contextlib.asynccontextmanager
async def an_archive(size: int, site_toml: str, output: Path, make: Make | None = None) -> AsyncIterator[Archive]:
    """Have a store with an archive of so many items, and nothing rendered, while the block runs."""
    folder = Path(tempfile.mkdtemp(prefix="clarion-benchmark-", dir=output))
    site_file = folder / "site.toml"
    site_file.write_text(site_toml, encoding="utf-8")
    with embedded_redis(folder / "store") as server:
        settings = Settings(
            redis_url=server.url, site_file=site_file, output_dir=folder / "output", base_url="http://127.0.0.1:1"
        )
        redis, site = connect(server.url), load_site(site_file)
        await redis.config_set("appendfsync", "no")
        await fill(redis, site, size, make or an_old_item)
        await redis.config_set("appendfsync", "always")
        rendering = assemble(redis, (await adopt_edition(settings, redis)).edition, Output(settings.output_dir))
        await redis.xgroup_create(keys.ITEMS_STREAM, keys.RENDER_GROUP, id="0", mkstream=True)
        try:
            yield Archive(redis, settings, site, rendering)
        finally:
            await redis.aclose()
    shutil.rmtree(folder)


async def fill(redis: Redis, site: Site, size: int, make: Make) -> None:
    """
    Write an archive as the script that writes items would have left it, a thousand items at a time.

    Its items are spread evenly over its months.
    """
    now, pick = datetime.now(UTC), random.Random(1)
    last: dict[tuple[Listing, str], int] = {}
    for start in range(0, size, 1000):
        pipe = redis.pipeline(transaction=False)
        paths: dict[str, str] = {}
        members: dict[str, dict[str, int]] = {}
        for number in range(start, min(start + 1000, size)):
            item, revision = make(number, now - AGE * ((size - number) / size) - timedelta(minutes=1), site, pick)
            placement = placement_of(revision, revision.accepted_at, site.zone)
            assert placement is not None
            shown: dict[str, str | int] = {"shown": 1, "announced": 1, "released_at": to_ms(placement.released_at)}
            shown["months"] = f"{placement.months.published} {placement.months.released}"
            pipe.hset(keys.item(item.id), mapping={**fields_of(item), **shown})
            pipe.hset(keys.revisions(item.id), "1", revision.model_dump_json(exclude_defaults=True))
            paths[item.path or ""] = item.id
            for listing in placement.listings:
                members.setdefault(keys.newest(listing), {})[item.id] = to_ms(placement.published_at)
                members.setdefault(keys.released(listing), {})[item.id] = to_ms(placement.released_at)
                for field, key in (
                    (f"archive:{placement.months.published}", keys.archive_month(listing, placement.months.published)),
                    (f"feed:{placement.months.released}", keys.feed_month(listing, placement.months.released)),
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


def an_old_item(number: int, published: datetime, site: Site, pick: random.Random) -> tuple[Item, Revision]:
    """Return a generated item in English, with its only revision."""
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
    return item_of(name, revision, published), revision


def item_of(name: str, revision: Revision, released_at: datetime) -> Item:
    """Return the item of a revision that is public."""
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


async def publish(archive: Archive, name: str, body: str = "It is ordered.\n\nIt takes effect today.") -> str:
    """Publish a document and return its path; nothing is rendered yet."""
    now = datetime.now(UTC)
    path = item_path("en", "documents/orders", month_of(now, archive.site.zone), name)
    revision = Revision(
        number=1,
        accepted_at=now,
        lang="en",
        section="documents/orders",
        title=f"Order {name}",
        body=body,
        published_at=now,
        tags=("sea",),
        path=path,
    )
    item = item_of(name, revision, now)
    event = NewEvent("item.published.v1", "major", now, "benchmark")
    write = Write(f"write-{name}", None, item, None, revision, revision, event)
    assert await ItemWriter(archive.redis).write(write) == "written"
    return path


async def take(redis: Redis) -> list[Entry]:
    """Take the events that wait, as render's consumer would."""
    found = await redis.xreadgroup(keys.RENDER_GROUP, "benchmark", {keys.ITEMS_STREAM: ">"}, count=100, block=1000)
    return [Entry(entry_id, fields) for _, entries in found for entry_id, fields in entries]


def files_written() -> int:
    """Return how many files have been written so far."""
    (metric,) = pages_total.collect()
    return int(
        sum(one.value for one in metric.samples if one.name.endswith("_total") and one.labels["result"] == "written")
    )


def percentile(values: list[float], percent: int) -> float:
    """Return the value that so many of a hundred do not exceed."""
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def ms(seconds: float) -> str:
    """Return a time in seconds as it is printed."""
    return f"{seconds * 1000:.1f} ms"
