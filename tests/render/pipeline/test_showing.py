"""
Show, then list: whatever two render services do at the same time, and wherever they die.

After every step of either of them the invariants hold: what is shown has its page, the indexes are the placement of
what is shown, no list names a page that is not there, and what is shown never goes back. At the end the site is what a
rebuild would write.
"""

import asyncio
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from redis import Redis as SyncRedis

from services.render.rebuild.verify import Differences
from shared.model.ids import ItemId, item_id
from shared.model.items import Withdrawal
from shared.store import keys
from shared.store.redis_client import connect
from shared.store.streams import Entry
from tests.factories import some_settings
from tests.render.newsroom import BROKEN_TITLE, FIRST_DAY, a_press, break_template
from tests.render.pipeline.interleaving import a_replica, check_indexes, check_pages, missing_pages, shown_items

NAMES = ("a", "b", "c")
IDS = tuple(item_id("press", name) for name in NAMES)
WITHDRAWALS = (
    Withdrawal(mode="gone"),
    Withdrawal(mode="notice", notice="Wrong."),
    Withdrawal(mode="redirect", to="/en/"),
)
names, replicas = st.sampled_from(NAMES), st.integers(0, 1)


class TwoRenders(RuleBasedStateMachine):
    """Items are published and two replicas render them, in an order that is forced upon them."""

    server_url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        with SyncRedis.from_url(self.server_url) as client:
            client.flushall()
        self._loop = asyncio.new_event_loop()
        self._folder = tempfile.TemporaryDirectory(prefix="clarion-showing-")
        self._shown = dict.fromkeys(IDS, 0)
        self._abandoned: list[Entry] = []
        self._do(self._start())

    def _do(self, work: Any) -> Any:  # Any: whatever the coroutine returns
        return self._loop.run_until_complete(work)

    async def _start(self) -> None:
        folder = Path(self._folder.name)
        self._settings = some_settings(folder, self.server_url)
        break_template(folder)
        self._redis = connect(self.server_url)
        self._press = await a_press(self._redis, self._settings)
        await self._press.rendering.rebuild.run()
        self._replicas = [await a_replica(self._redis, self._settings) for _ in range(2)]

    @rule(name=names, variant=st.integers(0, 23), is_broken=st.integers(0, 7).map(lambda number: number == 0))
    def publish(self, name: str, variant: int, is_broken: bool) -> None:
        """Variants differ in everything that moves an item: title, section, tag, month, slug, translation set."""
        self._do(
            self._press.newsroom.publish(
                name,
                lang=("en", "ru", "ar")[NAMES.index(name)],
                title=BROKEN_TITLE if is_broken else f"Title {variant}",
                section=("news", "documents/orders")[variant % 2],
                tags=(("sea",), ("sky",), ())[variant % 3],
                published_at=FIRST_DAY + timedelta(days=40 * (variant % 2)),
                slug=f"{name}-{variant // 2 % 2}",
                translation_set=(None, "opening")[variant // 4 % 2],
                update_type=("major", "minor")[variant // 3 % 2],
            )
        )

    @rule(name=names, how=st.sampled_from(WITHDRAWALS))
    def withdraw(self, name: str, how: Withdrawal) -> None:
        self._do(self._press.newsroom.withdraw(name, how))

    @rule(number=replicas, count=st.integers(1, 4))
    def begin(self, number: int, count: int) -> None:
        """Let an idle replica take a batch."""
        if not self._replicas[number].is_at_work:
            entries = self._do(self._press.take(count))
            if entries:
                self._do(self._replicas[number].begin(entries))

    @rule(number=replicas, steps=st.integers(1, 4))
    def step(self, number: int, steps: int) -> None:
        for _ in range(steps):
            if self._replicas[number].is_at_work:
                self._do(self._replicas[number].step())
                self._check()

    @rule(number=replicas)
    def crash(self, number: int) -> None:
        """Let a replica die where it is, and another come up in its place."""
        if self._replicas[number].is_at_work:
            self._abandoned += self._do(self._replicas[number].crash())
            self._replicas[number] = self._do(a_replica(self._redis, self._settings))

    @precondition(lambda self: self._abandoned)
    @rule(number=replicas)
    def claim(self, number: int) -> None:
        """Let an idle replica take over what a dead one has left."""
        if not self._replicas[number].is_at_work:
            entries, self._abandoned = self._abandoned, []
            self._do(self._replicas[number].begin(entries))

    @rule()
    def rebuild(self) -> None:
        self._do(self._press.rendering.rebuild.run())

    @invariant()
    def _check(self) -> None:
        self._do(self._invariants())

    async def _invariants(self) -> None:
        items = await shown_items(self._press, IDS)
        check_pages(self._press, items.values())
        await check_indexes(self._press, items.values())
        assert await missing_pages(self._press) == set()
        for name, item in items.items():
            assert item.item.shown >= self._shown[name], "what is shown went back"
            self._shown[name] = item.item.shown

    def teardown(self) -> None:
        try:
            self._do(self._finish())
        finally:
            self._loop.close()
            self._folder.cleanup()

    async def _finish(self) -> None:
        for replica in self._replicas:
            while replica.is_at_work:
                await replica.step()
        await self._press.render(self._abandoned)
        await self._press.render()
        await self._invariants()
        assert await self._press.differences(Path(self._folder.name) / "rebuilt") == Differences()
        unshown = await self._redis.zrange(keys.UNSHOWN, 0, -1)
        for name in IDS:
            item = await self._press.newsroom.store.get(name)
            if item is not None:
                assert item.shown == item.public
                assert (name in unshown) == bool(item.unrenderable)
                assert not item.left_pages or item.unrenderable, "what was left was announced"
        await self._all_was_told()
        await self._redis.aclose()

    async def _all_was_told(self) -> None:
        """Every event was announced once, each item's in order, or buried with its reason."""
        entries: Any = await self._redis.xrange(keys.ITEMS_STREAM)  # Any: redis-py's reply
        told = [event for _, event in await self._press.announced()]
        buried = [letter["fields"] for letter in await self._press.dead_letters()]
        assert len(told) == len(set(told))
        for _, fields in entries:
            is_minor = fields["type"] == "item.revised.v1" and fields["update_type"] == "minor"
            assert is_minor or fields["id"] in told or any(fields["id"] in letter for letter in buried)
        for item in IDS:
            numbers = [int(event.rpartition("-")[2]) for event in told if ItemId(event.rpartition("-")[0]) == item]
            assert numbers == sorted(numbers)


def _run(server_url: str, examples: int, steps: int) -> None:
    TwoRenders.server_url = server_url
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    run_state_machine_as_test(TwoRenders, settings=chosen)


@pytest.mark.timeout(600)  # hypothesis runs a failing example again and again, to make it smaller
def test_invariants_hold_in_every_order_of_two_renders(server_url: str) -> None:
    _run(server_url, examples=8, steps=25)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_invariants_hold_in_many_orders_of_two_renders(server_url: str) -> None:
    _run(server_url, examples=150, steps=50)
