"""The service that the tests of notify share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.notify.factories import Service, a_service, settings_for
from tests.notify.websub_fakes import Hub, a_hub


@pytest.fixture
async def service(redis: Redis, store_url: str) -> AsyncIterator[Service]:
    async with a_service(redis, settings_for(store_url)) as service:
        yield service


@pytest.fixture
async def hub(redis: Redis, store_url: str, tmp_path: Path) -> AsyncIterator[Hub]:
    async with a_hub(redis, store_url, tmp_path) as hub:
        yield hub
