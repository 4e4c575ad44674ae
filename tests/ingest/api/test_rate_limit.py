"""The rate limit of a key: a bucket of tokens in the store."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from services.ingest.api.rate_limit import RateLimiter
from shared.runtime.settings import Settings
from shared.store import keys
from tests.factories import an_item
from tests.ingest_service import Ingest, running_ingest


@pytest.fixture
async def ingest(settings: Settings, redis: Redis) -> AsyncIterator[Ingest]:
    async with running_ingest(settings.model_copy(update={"rate_limit": 3}), redis) as running:
        yield running


async def test_a_key_that_asks_too_often_is_told_when_to_come_back(ingest: Ingest) -> None:
    responses = [await ingest.send("a", an_item()) for _ in range(4)]

    assert [response.status_code for response in responses] == [201, 200, 200, 429]
    assert 1 <= int(responses[3].headers["retry-after"]) <= 20
    assert responses[0].headers["ratelimit-policy"] == '"key";q=3;w=60'
    assert [response.headers["ratelimit"].split(";")[1] for response in responses] == ["r=2", "r=1", "r=0", "r=0"]


async def test_another_key_has_a_bucket_of_its_own(ingest: Ingest) -> None:
    header = await ingest.with_key("items:write")
    for _ in range(4):
        await ingest.send("a", an_item())

    response = await ingest.http.put("/v1/items/press/b", json=an_item(), headers=header)

    assert response.status_code == 201


async def test_readers_of_the_public_list_have_no_limit(ingest: Ingest) -> None:
    responses = [await ingest.http.get("/v1/items") for _ in range(5)]

    assert {response.status_code for response in responses} == {200}


async def test_a_bucket_fills_up_evenly(redis: Redis) -> None:
    limiter = RateLimiter(redis, 60)
    for _ in range(60):
        await limiter.take("press")
    kept = await redis.hgetall(keys.rate_limit("press"))

    await redis.hset(keys.rate_limit("press"), "at", str(float(kept["at"]) - 10_000))
    after = await limiter.take("press")

    assert after is not None
    assert 9 <= after.left <= 11
    assert not after.wait_seconds


async def test_many_at_once_never_take_more_than_there_is(redis: Redis) -> None:
    limiter = RateLimiter(redis, 5)

    taken = await asyncio.gather(*(limiter.take("press") for _ in range(40)))

    assert sum(not one.wait_seconds for one in taken if one is not None) == 5


async def test_without_a_limit_nothing_is_counted(redis: Redis) -> None:
    assert await RateLimiter(redis, 0).take("press") is None
    assert await redis.exists(keys.rate_limit("press")) == 0


async def test_a_clock_that_is_set_back_takes_no_token_away(redis: Redis) -> None:
    limiter = RateLimiter(redis, 60)
    await limiter.take("press")
    kept = await redis.hgetall(keys.rate_limit("press"))

    await redis.hset(keys.rate_limit("press"), "at", str(float(kept["at"]) + 3_600_000))
    after = await limiter.take("press")

    assert after is not None
    assert (after.left, after.wait_seconds) == (58, 0)
