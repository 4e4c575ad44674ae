"""One client for many masters: what goes where, and what a caller sees of a failover."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from shared.store.redis_client import connect, on_masters
from shared.store.scripts import Script
from tests.embedded_cluster import MASTERS, EmbeddedCluster
from tests.waiting import eventually

# Five tags whose slots lie with all three masters.
TAGS = ("{site}", "{d0}", "{d1}", "{d2}", "{d3}")


@pytest.fixture
async def redis(cluster: EmbeddedCluster) -> AsyncIterator[Redis]:
    client = connect(cluster.url)
    yield client
    await client.aclose()


async def test_a_pipeline_over_all_masters_answers_in_its_own_order(redis: Redis) -> None:
    async with redis.pipeline(transaction=False) as pipe:
        for number, tag in enumerate(TAGS):
            pipe.set(f"{tag}:number", number)
        for tag in reversed(TAGS):
            pipe.get(f"{tag}:number")

        answers = await pipe.execute()

    assert answers == [True] * 5 + ["4", "3", "2", "1", "0"]


async def test_an_error_stands_in_the_place_of_its_command_and_the_others_are_done(redis: Redis) -> None:
    await redis.set("{d0}:text", "no number")
    pipe = redis.pipeline(transaction=False)
    for key in ("{site}:number", "{d0}:text", "{d2}:number"):
        pipe.incr(key)

    first, wrong, last = await pipe.execute(raise_on_error=False)

    assert (first, last) == (1, 1)
    assert isinstance(wrong, ResponseError)


async def test_a_transaction_keeps_to_one_slot(redis: Redis) -> None:
    together = redis.pipeline(transaction=True)
    together.set("{site}:a", "1")
    together.get("{site}:a")
    apart = redis.pipeline(transaction=True)
    apart.set("{site}:a", "2")
    apart.set("{d0}:a", "2")

    assert await together.execute() == [True, "1"]
    with pytest.raises(ResponseError, match="one slot"):
        await apart.execute()
    assert await redis.get("{site}:a") == "1"


async def test_keys_of_all_masters_are_counted_and_listed(redis: Redis) -> None:
    for tag in TAGS:
        await redis.set(f"{tag}:a", "1")

    names = [name async for name in redis.scan_iter(match="*:a")]

    assert sorted(names) == sorted(f"{tag}:a" for tag in TAGS)
    assert await redis.dbsize() == len(TAGS)
    assert len(await on_masters(redis, "INFO")) == MASTERS


async def test_after_a_failover_commands_and_scripts_go_to_the_new_master(
    redis: Redis, cluster: EmbeddedCluster
) -> None:
    double = Script(redis, __name__, "double.lua")
    await redis.set("{site}:number", 21)
    await redis.wait(1, 1000)
    assert await double(["{site}:number"], {}) == 42
    cluster.master_of("{site}:number").kill()

    with pytest.raises(RedisError):
        await redis.set("{site}:number", 22)
    elsewhere = await redis.set("{d0}:number", 1)

    async def has_taken_over() -> bool:
        try:
            return bool(await double(["{site}:number"], {}) == 42)
        except RedisError:
            return False

    await eventually(has_taken_over, "the failover")
    assert elsewhere is True


async def test_a_slot_that_has_moved_is_found_where_it_is(redis: Redis, cluster: EmbeddedCluster) -> None:
    await redis.set("{d1}:number", 1)
    replica = cluster.replica_of("{d1}:number")

    cluster.promote(replica)

    assert await redis.incr("{d1}:number") == 2
    assert cluster.master_of("{d1}:number") is replica


async def test_a_cluster_that_is_not_there_is_a_store_that_does_not_answer(free_port: int) -> None:
    redis = connect(f"redis+cluster://127.0.0.1:{free_port}")

    with pytest.raises(RedisError, match="no node of the cluster answers"):
        await redis.get("{site}:a")

    await redis.aclose()
