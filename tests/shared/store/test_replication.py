"""CLARION_WAIT_REPLICAS: nobody is told of a write that a failover would take back."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.dev.embedded_store import EmbeddedRedis, embedded_redis
from shared.model.errors import Unavailable
from shared.store.redis_client import connect
from shared.store.replication import Replication
from tests.waiting import eventually

# A master waits five seconds for more replicas before it sends the first one everything.
AT_ONCE = ("--repl-diskless-sync-delay", "0")


@pytest.fixture
def main_server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    with embedded_redis(tmp_path / "main", port=0, options=AT_ONCE) as server:
        yield server


@pytest.fixture
def replica(main_server: EmbeddedRedis, tmp_path: Path) -> Iterator[EmbeddedRedis]:
    host, port = main_server.url.removeprefix("redis://").split("/")[0].split(":")
    with embedded_redis(tmp_path / "replica", port=0, options=("--replicaof", host, port)) as server:
        yield server


@pytest.fixture
async def redis(main_server: EmbeddedRedis, replica: EmbeddedRedis) -> AsyncIterator[Redis]:
    client = connect(main_server.url)

    async def follows() -> bool:
        return bool(await client.wait(1, 10))

    await eventually(follows, "the replica")
    yield client
    await client.aclose()


async def test_a_write_of_another_connection_is_waited_for_too(
    redis: Redis, replica: EmbeddedRedis, main_server: EmbeddedRedis
) -> None:
    elsewhere = connect(main_server.url)
    await elsewhere.ping()
    os.kill(replica.pid, signal.SIGSTOP)
    await redis.set("{site}:a", "1")

    with pytest.raises(Unavailable, match="0 replicas have it, 1 must"):
        await Replication(elsewhere, 1).confirm()

    os.kill(replica.pid, signal.SIGCONT)
    await Replication(elsewhere, 1).confirm()
    await elsewhere.aclose()


async def test_the_answers_are_those_of_what_was_staged(redis: Redis) -> None:
    async with redis.pipeline(transaction=False) as pipe:
        pipe.set("{site}:a", "1")
        pipe.get("{site}:a")

        assert await Replication(redis, 1).execute(pipe) == [True, "1"]


async def test_who_asks_for_no_replicas_waits_for_none_and_writes_no_mark(redis: Redis) -> None:
    await Replication(redis, 0).confirm()

    assert await redis.dbsize() == 0
