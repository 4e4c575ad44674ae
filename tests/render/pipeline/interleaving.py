"""Render services over one volume that take turns: each stops before every lock that it takes, until it may go on."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from services.render.editions.current import adopt_edition
from services.render.output.files import page_time_ns
from services.render.output.volume import LockFamily, Output
from services.render.wiring import assemble
from shared.model.clock import to_ms
from shared.model.ids import ItemId
from shared.model.items import PublicItem
from shared.model.listings import Listing, listings_of
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.streams import Entry
from tests.render.newsroom import Newsroom, Press

_ITEM_PAGE = re.compile(r"/[a-z]{2}/.+/[0-9]{4}/[0-9]{2}/[^/]+/")


class TurnTakingOutput(Output):
    """A volume whose locks are taken only when it is this replica's turn."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.is_waiting = asyncio.Event()
        self.wants: tuple[str, frozenset[str]] = ("", frozenset())
        """The family of the locks that it waits for, and their paths."""
        self._may_go = asyncio.Event()

    @contextlib.asynccontextmanager
    async def locked(self, family: LockFamily, paths: Iterable[str]) -> AsyncIterator[None]:
        paths = list(paths)
        self.wants = family, frozenset(paths)
        self.is_waiting.set()
        await self._may_go.wait()
        self._may_go.clear()
        async with super().locked(family, paths):
            yield

    def let_go(self) -> None:
        """Let the replica take its next locks, and work until it wants others."""
        self.is_waiting.clear()
        self._may_go.set()


class Replica:
    """A render service that works one batch at a time, a step when it is told to."""

    def __init__(self, press: Press, output: TurnTakingOutput) -> None:
        self.press = press
        self._output = output
        self._batch: asyncio.Task[None] | None = None
        self.entries: Sequence[Entry] = ()

    @property
    def is_at_work(self) -> bool:
        return self._batch is not None

    async def begin(self, entries: Sequence[Entry]) -> None:
        """Begin a batch and work up to the first lock."""
        self.entries = entries
        self._output.is_waiting.clear()
        self._batch = asyncio.create_task(self.press.render(entries))
        await self._until_it_waits()

    async def step(self) -> None:
        """Take the next locks and work up to those after them, or to the end."""
        self._output.let_go()
        await self._until_it_waits()

    async def until_it_wants(self, family: LockFamily, path: str = "") -> None:
        """Work up to where it wants the locks of the family, that of the path among them."""
        while not (self._output.wants[0] == family and (not path or path in self._output.wants[1])):
            assert self.is_at_work, f"it never wanted {family} {path}"
            await self.step()

    async def finish(self) -> None:
        """Work up to the end of the batch."""
        while self.is_at_work:
            await self.step()

    async def crash(self) -> Sequence[Entry]:
        """Stop for good where it is; return the entries that nobody has done with."""
        if self._batch is not None:
            self._batch.cancel()
            await asyncio.gather(self._batch, return_exceptions=True)
            self._batch = None
        return self.entries

    async def _until_it_waits(self) -> None:
        assert self._batch is not None
        waiting = asyncio.create_task(self._output.is_waiting.wait())
        await asyncio.wait([self._batch, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        if self._batch.done():
            self._batch.result()
            self._batch = None


async def a_replica(redis: Redis, settings: Settings) -> Replica:
    """Return another render service over the settings' volume."""
    edition = (await adopt_edition(settings, redis)).edition
    output = TurnTakingOutput(settings.output_dir)
    rendering = assemble(redis, edition, output)
    return Replica(Press(redis, settings, Newsroom(redis, edition.site), edition, rendering), output)


async def shown_items(press: Press, ids: Iterable[ItemId]) -> dict[ItemId, PublicItem]:
    """Return the items that readers see, with the revisions that they see."""
    found = {item_id: await press.newsroom.store.shown_revision(item_id) for item_id in ids}
    return {item_id: item for item_id, item in found.items() if item is not None}


def check_pages(press: Press, items: Iterable[PublicItem]) -> None:
    """Assert I1: the page of what is shown stands on the volume."""
    output = Output(press.settings.output_dir)
    for item in items:
        if item.has_page:
            assert output.mtime_ns(item.path) == page_time_ns(item), (
                f"{item.path} is not revision {item.revision.number}"
            )


async def check_indexes(press: Press, items: Iterable[PublicItem]) -> None:
    """Assert I2: the indexes are exactly the placement of what is shown, and no two items share a number."""
    redis, expected = press.redis, dict[str, dict[str, float]]()
    numbered: dict[str, set[str]] = {}
    for item in items:
        if not item.is_listed:
            continue
        assert item.item.months is not None
        for listing in listings_of(item.revision):
            expected.setdefault(keys.newest(listing), {})[item.item.id] = float(to_ms(item.published_at))
            expected.setdefault(keys.released(listing), {})[item.item.id] = float(to_ms(item.released_at))
            numbered.setdefault(keys.archive_month(listing, item.item.months.published), set()).add(item.item.id)
            numbered.setdefault(keys.feed_month(listing, item.item.months.released), set()).add(item.item.id)
    for kind in ("newest", "released"):
        there = {name: await _scores(redis, name) async for name in redis.scan_iter(f"{{site}}:{kind}:*")}
        assert there == {name: held for name, held in expected.items() if name.startswith(f"{{site}}:{kind}:")}
    for kind in ("archive", "feed"):
        async for name in redis.scan_iter(f"{{site}}:{kind}:*"):
            scores = await _scores(redis, name)
            assert scores.keys() == numbered.pop(name, set())
            assert len(set(scores.values())) == len(scores)
            if kind == "archive":
                listing, _, month = name.removeprefix("{site}:archive:").rpartition(":")
                assert int(await redis.hget(keys.listing(Listing.parse(listing)), f"count:{month}") or 0) == len(scores)
    assert numbered == {}


async def _scores(redis: Redis, name: str) -> dict[str, float]:
    found: Any = await redis.zrange(name, 0, -1, withscores=True)  # Any: redis-py's reply
    return {str(member): float(score) for member, score in found}


async def missing_pages(press: Press) -> set[tuple[str, str]]:
    """Return each list of the volume with each page that it names and that is not there (promise 2)."""
    output = Output(press.settings.output_dir)
    paths = [str(path) for path in await press.redis.hkeys(keys.PATHS)]
    missing = {path for path in paths if not press.has(path)}
    lists = {path: output.read(path) or b"" for path in output.paths() if not _ITEM_PAGE.fullmatch(path)}
    return {(name, path) for name, content in lists.items() for path in missing if path.encode() in content}
