"""What tests of render may ask for."""

from pathlib import Path

import pytest
from redis.asyncio import Redis

from shared.runtime.settings import Settings
from tests.render.newsroom import Press, a_press, break_template


@pytest.fixture
async def press(redis: Redis, settings: Settings) -> Press:
    """A render service in the test's hand, over an empty volume."""
    return await a_press(redis, settings)


@pytest.fixture
async def whole_press(press: Press) -> Press:
    """The same over a volume with every page of a site that has no items yet."""
    await press.rendering.rebuild.run()
    return press


@pytest.fixture
async def strict_press(redis: Redis, settings: Settings, tmp_path: Path) -> Press:
    """The same with a theme whose item page breaks on one title."""
    break_template(tmp_path)
    return await a_press(redis, settings)
