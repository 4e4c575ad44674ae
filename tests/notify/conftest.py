"""The service that the tests of notify share."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from shared.store.redis_client import connect
from tests.notify.factories import Service, a_service, settings_for
from tests.notify.websub.parties import Hub, a_hub


@pytest.fixture
async def service(redis: Redis, store_url: str) -> AsyncIterator[Service]:
    async with a_service(redis, settings_for(store_url)) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub_of_module(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hub]:
    redis = connect(server_url)
    await redis.flushall()
    async with a_hub(redis, server_url, tmp_path_factory.mktemp("site")) as hub:
        yield hub
    await redis.aclose()


@pytest_asyncio.fixture(loop_scope="module")
async def hub(hub_of_module: Hub) -> AsyncIterator[Hub]:
    """A hub that the tests of a module share, because starting one takes longer than most of them; it knows nobody."""
    yield hub_of_module
    await hub_of_module.forget_everybody()
