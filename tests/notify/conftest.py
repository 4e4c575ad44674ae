"""The store and the service that the tests of notify share."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.embedded_redis import embedded_redis
from shared.redis_client import connect
from tests.notify.factories import Service, a_service, settings_for


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data_dir: Path = tmp_path_factory.mktemp("store")
    with embedded_redis(data_dir) as server:
        yield server.url


@pytest.fixture
async def redis(server_url: str) -> AsyncIterator[Redis]:
    client = connect(server_url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
def store_url(server_url: str, redis: Redis) -> str:
    return server_url


@pytest.fixture
async def service(redis: Redis, store_url: str) -> AsyncIterator[Service]:
    async with a_service(redis, settings_for(store_url)) as service:
        yield service
