"""Promise 3: whatever happened, the site on disk is byte for byte what a rebuild from the store would write."""

import asyncio
import os
import random
import signal
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.render.rebuild.verify import Differences
from shared.model.items import Withdrawal
from shared.runtime.background import background
from shared.runtime.settings import Settings
from shared.store import keys
from tests.journeys.crawling import Crawler
from tests.render.newsroom import BROKEN_TITLE, FIRST_DAY, Press, a_press, break_template

ITEMS = 40
TAGS = ("sea", "port", "trade")
SECTIONS = ("news", "documents", "documents/orders")
NO_DIFFERENCES = Differences()


class Chaos:
    """Random acts of a newsroom; the same seed gives the same acts."""

    def __init__(self, press: Press, seed: int) -> None:
        self._press = press
        self._random = random.Random(seed)

    async def act(self) -> None:
        """Publish, revise, move, retag, break or withdraw an item."""
        name = f"item-{self._random.randrange(ITEMS)}"
        if self._random.random() < 0.2:
            await self._press.newsroom.withdraw(name, self._random.choice(WITHDRAWALS))
        else:
            await self._press.newsroom.publish(name, **self._changes(name))

    def _changes(self, name: str) -> dict[str, object]:
        pick = self._random
        changes: dict[str, object] = {"lang": ("en", "ru", "ar")[int(name.removeprefix("item-")) % 3]}
        changes["body"] = f"Text {pick.random()}"
        if pick.random() < 0.5:
            changes["title"] = BROKEN_TITLE if pick.random() < 0.15 else f"Title {pick.randrange(1000)}"
        if pick.random() < 0.3:
            changes["tags"] = tuple(tag for tag in TAGS if pick.random() < 0.5)
        if pick.random() < 0.3:
            changes["section"] = pick.choice(SECTIONS)
        if pick.random() < 0.3:
            changes["published_at"] = FIRST_DAY + timedelta(days=pick.randrange(90))
        if pick.random() < 0.3:
            changes["slug"] = f"{name}-{pick.randrange(2)}"
        if pick.random() < 0.2:
            # One set for the three languages; an item goes in and out of it.
            changes["translation_set"] = pick.choice([None, f"set-{int(name.removeprefix('item-')) // 3}"])
        changes["update_type"] = pick.choice(["major", "minor"])
        return changes


WITHDRAWALS = (
    Withdrawal(mode="gone"),
    Withdrawal(mode="redirect", to="/en/"),
    Withdrawal(mode="notice", notice="It was wrong."),
)


@pytest.mark.parametrize("seed", range(2))
async def test_a_volume_written_batch_by_batch_equals_a_rebuild(
    redis: Redis, settings: Settings, tmp_path: Path, seed: int
) -> None:
    break_template(tmp_path)
    press = await a_press(redis, settings)
    chaos, pick = Chaos(press, seed), random.Random(seed)
    await press.rendering.rebuild.run()

    for _ in range(60):
        await chaos.act()
        if pick.random() < 0.4:
            batch = await press.take(pick.randrange(1, 5))
            pick.shuffle(batch)
            await press.render(batch)
    await press.render()

    assert await press.differences(tmp_path / "rebuilt") == NO_DIFFERENCES


async def test_a_volume_equals_a_rebuild_after_kills_and_freezes_of_its_replicas(
    redis: Redis, settings: Settings, tmp_path: Path
) -> None:
    await _replicas_killed_and_frozen(redis, settings, tmp_path, acts=300, seed=1)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(8))
async def test_a_volume_equals_a_rebuild_after_many_kills_and_freezes(
    redis: Redis, settings: Settings, tmp_path: Path, seed: int
) -> None:
    await _replicas_killed_and_frozen(redis, settings, tmp_path, acts=3000, seed=seed)


async def _replicas_killed_and_frozen(redis: Redis, settings: Settings, folder: Path, *, acts: int, seed: int) -> None:
    """
    Publish at a rate that never pauses, while replicas are killed and frozen, and a crawler reads all the time.

    No list ever names a page that is not there (promise 2). At the end the volume is what a rebuild would write.
    """
    break_template(folder)
    press = await a_press(redis, settings)
    await press.rendering.rebuild.run()
    crawler, replicas = Crawler(press), [await _replica(settings), await _replica(settings)]
    try:
        async with background(crawler.run(), _kill_and_freeze(replicas, settings, random.Random(seed))):
            chaos = Chaos(press, seed)
            for _ in range(acts):
                await chaos.act()
                await asyncio.sleep(0.01)
        async with background(crawler.run()), asyncio.timeout(60 + acts / 2):
            while not await _has_passed(redis):  # noqa: ASYNC110 - the store tells only who asks
                await asyncio.sleep(0.05)
    finally:
        for replica in replicas:
            replica.kill()
            await replica.wait()

    assert crawler.broken == []
    assert crawler.followed > acts
    assert await press.differences(folder / "rebuilt") == NO_DIFFERENCES


async def _kill_and_freeze(replicas: list[asyncio.subprocess.Process], settings: Settings, pick: random.Random) -> None:
    """Kill or freeze one of the replicas every second or so, until cancelled: then all of them go on."""
    while True:
        await asyncio.sleep(0.5 + pick.random())
        victim = pick.randrange(len(replicas))
        if pick.random() < 0.5:
            replicas[victim].kill()
            await replicas[victim].wait()
            replicas[victim] = await _replica(settings)
            continue
        try:
            replicas[victim].send_signal(signal.SIGSTOP)
            await asyncio.sleep(pick.random())
        finally:
            replicas[victim].send_signal(signal.SIGCONT)


async def _replica(settings: Settings) -> asyncio.subprocess.Process:
    environment = {
        **os.environ,
        "CLARION_REDIS_URL": settings.redis_url,
        "CLARION_SITE_FILE": str(settings.site_file),
        "CLARION_OUTPUT_DIR": str(settings.output_dir),
        "CLARION_BASE_URL": settings.base_url,
        "CLARION_SECRETS_KEY": "test-secrets-key-0123456789-0123456789",
        "CLARION_PORT": "0",
        "CLARION_CLAIM_AFTER": "1",
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.render",
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def _has_passed(redis: Redis) -> bool:
    (group,) = [one for one in await redis.xinfo_groups(keys.ITEMS_STREAM) if one["name"] == keys.RENDER_GROUP]
    return not group["pending"] and not group["lag"]
