"""A page never names a translation before the translation's page is there."""

import random
import re
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.render.output.volume import Output
from services.render.wiring import assemble
from shared.runtime.settings import Settings
from tests.render.newsroom import Press, a_press

_LINK = re.compile(
    rb'hreflang="[a-z-]+"[^>]* href="[^"/]*//[^/"]+(/[^"]*)"|href="[^"/]*//[^/"]+(/[^"]*)"[^>]* hreflang'
)


class WatchedOutput(Output):
    """A volume that notes each link to a translation whose page is not there when the linking page is written."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.links = 0
        self.broken: list[tuple[str, str]] = []

    def write(self, path: str, content: bytes, mtime_ns: int | None) -> bool:
        for found in _LINK.findall(content):
            target = b"".join(found).decode()
            self.links += 1
            if target != path and self.read(target) is None:
                self.broken.append((path, target))
        return super().write(path, content, mtime_ns)


async def watched(redis: Redis, settings: Settings) -> tuple[Press, WatchedOutput]:
    press = await a_press(redis, settings)
    await press.rendering.rebuild.run()
    output = WatchedOutput(settings.output_dir)
    press.rendering = assemble(redis, press.edition, output)
    return press, output


async def test_a_set_that_comes_in_one_batch_links_to_pages_that_are_there(redis: Redis, settings: Settings) -> None:
    press, output = await watched(redis, settings)
    for lang in ("en", "ru", "ar"):
        await press.newsroom.publish(f"a-{lang}", lang=lang, translation_set="opening")

    await press.render()

    assert output.links > 6
    assert output.broken == []


@pytest.mark.parametrize("seed", range(4))
async def test_sets_that_move_and_change_link_to_pages_that_are_there(
    redis: Redis, settings: Settings, seed: int
) -> None:
    press, output = await watched(redis, settings)
    chance = random.Random(seed)
    for _ in range(40):
        name, lang = chance.choice([("a", "en"), ("b", "ru"), ("c", "ar"), ("d", "en")])
        if chance.random() < 0.2:
            await press.newsroom.withdraw(name)
        else:
            await press.newsroom.publish(
                f"{name}",
                lang=lang,
                slug=f"{name}-{chance.randrange(3)}",
                translation_set=None if name == "d" else chance.choice(["opening", "closing", None]),
            )
        if chance.random() < 0.3:
            await press.render()
    await press.render()

    assert output.links > 0
    assert output.broken == []
