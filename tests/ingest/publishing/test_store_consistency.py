"""Whatever is done to items, in whatever order and by whom: the store is consistent, and as a simple model says."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from services.ingest.contract.item_body import ItemBody
from services.ingest.publishing.publisher import Publisher
from services.ingest.publishing.rules import Actor
from shared.model.clock import to_ms
from shared.model.errors import Conflict, Invalid, NotFound
from shared.model.ids import ItemId, item_id, new_trace_id
from shared.model.items import Item, Revision, Withdrawal
from shared.model.site_file import Site, load_site
from shared.store import keys
from shared.store.item_store import ItemStore
from shared.store.item_writer import ItemWriter
from shared.store.redis_client import connect
from tests.factories import a_site_file, an_item

BASE_URL = "http://127.0.0.1:8000"
ITEMS = ("a", "b", "c")
FAR = datetime(2999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Step:
    """Something that a client does to an item; `release` lets its embargo end."""

    act: Literal["put", "schedule", "withdraw", "release"]
    name: str
    variant: int = 0

    def body(self) -> ItemBody:
        """Variants differ in everything that moves an item: title, section, tag, month, language, slug, set."""
        v = self.variant
        item = an_item(
            title=f"Title {v}",
            section=("news", "documents/orders")[v % 2],
            tags=(("sea",), ("sky",), ())[v % 3],
            published_at=datetime(2026, 1 + v % 4, 15, 12, tzinfo=UTC).isoformat(),
            lang=("en", "ru")[v // 4 % 2],
            slug=(None, "quay")[v // 2 % 2],
            translation_set=(None, "opening")[v // 3 % 2],
            publish_at=FAR.isoformat() if self.act == "schedule" else None,
        )
        return ItemBody.model_validate(item)


steps = st.builds(
    Step,
    act=st.sampled_from(["put", "put", "put", "schedule", "withdraw", "release"]),
    name=st.sampled_from(ITEMS),
    variant=st.integers(0, 7),
)


@dataclass
class Expected:
    """What the model knows of one item."""

    latest: int = 0
    state: str = "none"
    public_title: str | None = None
    waiting_title: str | None = None


def apply(model: dict[str, Expected], step: Step) -> None:
    """Do to the model what the step does to the store, where nothing is refused."""
    item = model[step.name]
    title = f"Title {step.variant}"
    match step.act:
        case "put":
            if item.waiting_title is None and item.state == "published" and item.public_title == title:
                return
            item.latest += 1
            item.state, item.public_title, item.waiting_title = "published", title, None
        case "schedule":
            if item.waiting_title == title:
                return
            item.latest += 1
            item.state = "scheduled" if item.state == "none" or item.public_title is None else item.state
            item.waiting_title = title
        case "withdraw" if item.latest:
            if item.state == "withdrawn" and item.waiting_title is None:
                return
            item.latest += 1
            item.state, item.waiting_title = "withdrawn", None
        case "release" if item.waiting_title is not None:
            item.state, item.public_title, item.waiting_title = "published", item.waiting_title, None


class Clients:
    """Several ingest replicas over one store."""

    def __init__(self, redis: Redis, site: Site) -> None:
        self.redis = redis
        self.store = ItemStore(redis)
        self.site = site
        self._publishers = [Publisher(self.store, ItemWriter(redis), site, BASE_URL) for _ in range(4)]

    async def take(self, step: Step, replica: int = 0) -> bool:
        """Take the step; return whether it was not refused."""
        publisher = self._publishers[replica % len(self._publishers)]
        actor = Actor("test", new_trace_id())
        try:
            match step.act:
                case "put" | "schedule":
                    await publisher.publish("press", step.name, step.body(), actor)
                case "withdraw":
                    await publisher.withdraw("press", step.name, Withdrawal(mode="gone"), actor)
                case "release":
                    await self._let_embargo_end(item_id("press", step.name))
                    await publisher.release("press", step.name)
        except (Conflict, NotFound, Invalid):
            return False
        return True

    async def _let_embargo_end(self, item: ItemId) -> None:
        if await self.redis.zscore(keys.SCHEDULED, item) is not None:
            past = to_ms(datetime.now(UTC) - timedelta(minutes=1))
            await self.redis.hset(keys.item(item), "publish_at", str(past))
            await self.redis.zadd(keys.SCHEDULED, {item: past})


async def check(clients: Clients) -> None:
    """Assert that paths, revisions, translation sets, schedule and events say what the items say."""
    redis = clients.redis
    found: list[tuple[Item, dict[int, Revision]]] = []
    for name in ITEMS:
        item = await clients.store.get(item_id("press", name))
        if item is not None:
            kept = await redis.hgetall(keys.revisions(item.id))
            revisions = {int(number): Revision.model_validate_json(text) for number, text in kept.items()}
            assert sorted(revisions) == list(range(1, item.latest + 1))
            found.append((item, revisions))
    public = [(item, revisions[item.public]) for item, revisions in found if item.state == "published" and item.public]
    await _check_paths(redis, found, public)
    await _check_lists(redis)
    await _check_translations(redis, public)
    assert {member for member, _ in await _scores(redis, keys.UNSHOWN)} == {item.id for item, _ in found if item.public}
    waiting = {item.id: float(to_ms(item.publish_at)) for item, _ in found if item.publish_at is not None}
    assert dict(await _scores(redis, keys.SCHEDULED)) == waiting
    await _check_events(redis, found)


async def _check_paths(
    redis: Redis, found: Sequence[tuple[Item, dict[int, Revision]]], public: Sequence[tuple[Item, Revision]]
) -> None:
    owners = {revision.path: item.id for item, revisions in found for revision in revisions.values() if revision.path}
    assert await redis.hgetall(keys.PATHS) == owners
    assert all(item.path == revision.path is not None for item, revision in public)


async def _check_lists(redis: Redis) -> None:
    """Accepting moves no list: that is for render, when it shows the item."""
    for kind in ("newest", "released", "listing", "archive", "feed", "tombstones"):
        assert [name async for name in redis.scan_iter(f"{{site}}:{kind}:*")] == []


async def _check_translations(redis: Redis, public: Sequence[tuple[Item, Revision]]) -> None:
    expected: dict[str, dict[str, str]] = {}
    for item, revision in public:
        if revision.translation_set:
            expected.setdefault(revision.translation_set, {})[revision.lang] = item.id
    names = [str(name) async for name in redis.scan_iter("{site}:translations:*")]
    there = {name.removeprefix("{site}:translations:"): await redis.hgetall(name) for name in names}
    assert there == expected


async def _check_events(redis: Redis, found: Sequence[tuple[Item, dict[int, Revision]]]) -> None:
    entries: Any = await redis.xrange(keys.ITEMS_STREAM)  # Any: redis-py's reply
    for item, _ in found:
        events = [fields for _, fields in entries if fields["item_id"] == item.id]
        numbers = [int(event["revision"]) for event in events]
        assert numbers == sorted(set(numbers))
        assert [int(event["previous"]) for event in events] == [0, *numbers][: len(numbers)]
        assert [int(event["before"]) for event in events] == [0, *numbers][: len(numbers)]
        assert item.last_event == item.public == (numbers[-1] if numbers else 0)


async def _scores(redis: Redis, name: str) -> list[tuple[str, float]]:
    found: Any = await redis.zrange(name, 0, -1, withscores=True)  # Any: redis-py's reply
    return [(str(member), float(score)) for member, score in found]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return load_site(a_site_file(Path(tmp_path_factory.mktemp("site"))))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.lists(steps, min_size=1, max_size=14))
def test_any_sequence_leaves_the_store_as_the_model_says(server_url: str, site: Site, sequence: list[Step]) -> None:
    async def run() -> None:
        redis = connect(server_url)
        await redis.flushall()
        clients, model = Clients(redis, site), {name: Expected() for name in ITEMS}
        for number, step in enumerate(sequence):
            if await clients.take(step, number):
                apply(model, step)
        await check(clients)
        for name, expected in model.items():
            found = await clients.store.find(item_id("press", name))
            assert (found.item.latest if found.item else 0) == expected.latest
            assert (found.item.state if found.item else "none") == expected.state
            assert (found.public.title if found.public else None) == expected.public_title
        await redis.aclose()

    asyncio.run(run())


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=st.lists(st.lists(steps, min_size=2, max_size=8), min_size=1, max_size=4))
def test_clients_at_the_same_items_at_once_leave_the_store_consistent(
    server_url: str, site: Site, rounds: list[list[Step]]
) -> None:
    async def run() -> None:
        redis = connect(server_url)
        await redis.flushall()
        clients = Clients(redis, site)
        for together in rounds:
            await asyncio.gather(*(clients.take(step, replica) for replica, step in enumerate(together)))
            await check(clients)
        await redis.aclose()

    asyncio.run(run())
