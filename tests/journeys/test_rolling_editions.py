"""A change of everything that pages depend on, rolled over three renders in any order while items are published."""

import asyncio
import contextlib
import os
import random
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from services.render.rebuild.verify import Differences
from shared.model.ids import item_id
from shared.runtime.background import background
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.site_record import read_site
from tests.factories import SITE_TOML, a_site_file
from tests.journeys.crawling import Crawler
from tests.journeys.processes import answers
from tests.ports import a_free_port
from tests.render.editions.changes import SLIP, with_template, without_theme
from tests.render.newsroom import Newsroom, a_press
from tests.waiting import eventually

NO_DIFFERENCES = Differences()
LANGUAGES = ("en", "ru", "ar")
NEW_TITLE = "Office of the Sea"
OLD_TITLE = "Office of the Harbour"


class Replicas:
    """Three renders on one volume, each a process with a copy of the site's files."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self.folders = [folder / f"render-{number}" for number in range(3)]
        for one in self.folders:
            one.mkdir()
            a_site_file(one)
        self._base_urls = [settings.base_url] * 3
        self._processes: list[asyncio.subprocess.Process] = []

    def settings_of(self, number: int) -> Settings:
        return self._settings.model_copy(
            update={"site_file": self.folders[number] / "site.toml", "base_url": self._base_urls[number]}
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        try:
            self._processes = [await self._start(number) for number in range(3)]
            yield
        finally:
            for process in self._processes:
                process.kill()
                await process.wait()

    async def restart(self, number: int, *, gently: bool, base_url: str | None = None) -> None:
        """Stop a replica, or kill it, and start it with the files of its folder as they are now."""
        self._base_urls[number] = base_url or self._base_urls[number]
        process = self._processes[number]
        if gently:
            process.terminate()
        else:
            process.kill()
        await process.wait()
        self._processes[number] = await self._start(number)

    async def _start(self, number: int) -> asyncio.subprocess.Process:
        settings, port = self.settings_of(number), a_free_port()
        environment = {
            **os.environ,
            "CLARION_REDIS_URL": settings.redis_url,
            "CLARION_SITE_FILE": str(settings.site_file),
            "CLARION_OUTPUT_DIR": str(settings.output_dir),
            "CLARION_BASE_URL": settings.base_url,
            "CLARION_PORT": str(port),
            "CLARION_CLAIM_AFTER": "1",
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.render"),
            env=environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            await eventually(lambda: answers(client, "/readyz"), "a render that is ready")
        return process


def change_everything(folder: Path) -> None:
    """Give a site another title, zone and language."""
    text = SITE_TOML.replace(OLD_TITLE, NEW_TITLE).replace("Asia/Baku", "Atlantic/Azores")
    text = text.replace('languages = ["en", "ru", "ar"]', 'languages = ["en", "ru", "ar", "fr"]')
    (folder / "site.toml").write_text(text.replace("{ en = ", '{ fr = "Un nom", en = '), encoding="utf-8")


async def publish_on(newsroom: Newsroom, published: list[str], pick: random.Random) -> None:
    """Publish and revise items until cancelled."""
    while True:
        name = f"item-{len(published)}" if pick.random() < 0.6 or not published else pick.choice(published)
        section = pick.choice(("news", "documents", "documents/orders"))
        item = await newsroom.publish(
            name, title=f"Title {pick.random()}", lang=pick.choice(LANGUAGES), section=section
        )
        published.append(item.item.external_id)
        await asyncio.sleep(0.03)


@pytest.mark.timeout(300)
async def test_a_change_of_everything_leaves_no_old_page_and_loses_none(
    redis: Redis, settings: Settings, tmp_path: Path
) -> None:
    await _rolled(redis, settings, tmp_path, seed=0)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(1, 12))
async def test_a_change_of_everything_in_many_orders(
    redis: Redis, settings: Settings, tmp_path: Path, seed: int
) -> None:
    await _rolled(redis, settings, tmp_path, seed=seed)


async def _rolled(redis: Redis, settings: Settings, folder: Path, *, seed: int) -> None:
    pick = random.Random(seed)
    press = await a_press(redis, settings)
    replicas, published = Replicas(settings, folder), list[str]()
    crawler = Crawler(press)
    async with replicas.running():
        async with background(publish_on(press.newsroom, published, pick), crawler.run()):
            await asyncio.sleep(1)
            await _roll(replicas, _any_order(pick), pick, slip=True)
            number = await _number(redis)
            await _roll(replicas, _any_order(pick), pick, base_url="https://sea.example")
        await _until_quiet(redis, replicas)

    last = await a_press(redis, replicas.settings_of(0))
    await last.newsroom.publish("french", lang="fr")
    await last.render()
    assert number == 1, "the slip was refused"
    assert last.edition.record.number == 2
    assert (last.edition.base_url, last.edition.site.timezone) == ("https://sea.example", "Atlantic/Azores")
    assert crawler.broken == []
    for name in set(published):
        item = await last.newsroom.store.get(item_id("press", name))
        assert item is not None
        assert item.shown == item.public == item.latest
        assert last.has(item.path or "")
    assert last.files_naming(OLD_TITLE) == set()
    assert await last.differences(folder / "rebuilt") == NO_DIFFERENCES
    assert await last.dead_letters() == []


def _any_order(pick: random.Random) -> Sequence[int]:
    return pick.sample(range(3), 3)


async def _roll(
    replicas: Replicas, order: Sequence[int], pick: random.Random, *, slip: bool = False, base_url: str | None = None
) -> None:
    """Restart one replica after the other, sometimes one of those that have their old files still."""
    for place, number in enumerate(order):
        if slip:
            with_template(replicas.folders[number], "item.html", SLIP)
        else:
            without_theme(replicas.folders[number])
            change_everything(replicas.folders[number])
        await replicas.restart(number, gently=pick.random() < 0.5, base_url=base_url)
        await asyncio.sleep(pick.random() * 2)
        waiting = order[place + 1 :]
        if waiting and pick.random() < 0.5:
            await replicas.restart(pick.choice(waiting), gently=False)
            await asyncio.sleep(pick.random() * 2)


async def _number(redis: Redis) -> int:
    record = await read_site(redis)
    return record.number if record else 0


async def _until_quiet(redis: Redis, replicas: Replicas) -> None:
    """Wait until every event is announced and the volume is whole."""
    async with asyncio.timeout(90):
        while not await _is_quiet(redis, replicas):  # noqa: ASYNC110 - the store tells only who asks
            await asyncio.sleep(0.1)


async def _is_quiet(redis: Redis, replicas: Replicas) -> bool:
    groups = [one for one in await redis.xinfo_groups(keys.ITEMS_STREAM) if one["name"] == keys.RENDER_GROUP]
    record = await read_site(redis)
    built = replicas.settings_of(0).output_dir / ".clarion" / "built"
    is_worked = all(not one["pending"] and not one["lag"] for one in groups)
    is_whole = record is not None and built.exists() and built.read_text() == record.fingerprint
    return is_worked and is_whole
