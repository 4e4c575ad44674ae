"""What the numbers of a store say, against a real server."""

import json

import pytest
from redis.asyncio import Redis

from shared.http.store_numbers import GroupNumbers, StoreWatch
from shared.model.clock import store_now, to_ms
from shared.store import keys
from shared.store.keys import Shard


@pytest.fixture
def watch(redis: Redis) -> StoreWatch:
    return StoreWatch(redis)


async def test_an_empty_store_has_nothing_that_waits(watch: StoreWatch) -> None:
    numbers = await watch.read()

    assert list(numbers.groups) == []
    assert (numbers.queue.waiting, numbers.queue.overdue_seconds, numbers.dead_letters) == (0, 0, 0)
    assert numbers.queue.endpoints == {"active": 0, "paused": 0, "disabled": 0}
    assert numbers.server.append_only
    assert numbers.server.last_write_ok


async def test_the_backlog_is_what_waits_to_be_shown_and_what_cannot_be_rendered_stands_apart(
    redis: Redis, watch: StoreWatch
) -> None:
    now = to_ms(await store_now(redis))
    await redis.zadd(keys.UNSHOWN, {"late": now - 90_000, "soon": now, "broken": -(now - 500_000)})

    unshown = (await watch.read()).unshown

    assert (unshown.waiting, unshown.unrenderable) == (2, 1)
    assert 90 <= unshown.oldest_seconds < 190


async def test_a_group_lags_by_what_it_has_not_taken_and_holds_what_it_has_not_acknowledged(
    redis: Redis, watch: StoreWatch
) -> None:
    await redis.xgroup_create(keys.ITEMS_STREAM, "render", id="0", mkstream=True)
    for number in range(5):
        await redis.xadd(keys.ITEMS_STREAM, {"number": number})
    await redis.xreadgroup("render", "one", {keys.ITEMS_STREAM: ">"}, count=2)

    (group,) = (await watch.read()).groups

    assert (group.stream, group.group, group.lag, group.pending) == ("items", "render", 3, 2)


async def test_the_oldest_is_what_was_taken_and_not_acknowledged_before_what_nobody_took(
    redis: Redis, watch: StoreWatch
) -> None:
    await redis.xgroup_create(keys.PAGES_STREAM, "notify", id="0", mkstream=True)
    taken, _ = [await _entry_of_age(redis, keys.PAGES_STREAM, seconds) for seconds in (500, 100)]
    await redis.xreadgroup("notify", "one", {keys.PAGES_STREAM: ">"}, count=1)
    both = await _oldest(watch)

    await redis.xack(keys.PAGES_STREAM, "notify", taken)

    assert 500 <= both < 600
    assert 100 <= await _oldest(watch) < 200


async def test_nothing_is_old_where_everything_is_acknowledged(redis: Redis, watch: StoreWatch) -> None:
    await redis.xgroup_create(keys.ITEMS_STREAM, "render", id="0", mkstream=True)
    entry = await _entry_of_age(redis, keys.ITEMS_STREAM, 500)
    await redis.xreadgroup("render", "one", {keys.ITEMS_STREAM: ">"})
    await redis.xack(keys.ITEMS_STREAM, "render", entry)

    assert list((await watch.read()).groups) == [GroupNumbers("items", "render", 0, 0, 0)]


async def test_the_lag_is_counted_where_the_server_has_lost_it(redis: Redis, watch: StoreWatch) -> None:
    await redis.xgroup_create(keys.ITEMS_STREAM, "render", id="0", mkstream=True)
    entries = [await redis.xadd(keys.ITEMS_STREAM, {"number": number}) for number in range(5)]
    await redis.xreadgroup("render", "one", {keys.ITEMS_STREAM: ">"}, count=1)
    await redis.xdel(keys.ITEMS_STREAM, entries[3])
    assert (await redis.xinfo_groups(keys.ITEMS_STREAM))[0]["lag"] is None

    (group,) = (await watch.read()).groups

    assert group.lag == 3


async def test_the_queue_counts_what_waits_for_endpoints_that_are_due(redis: Redis, watch: StoreWatch) -> None:
    await redis.set(keys.SHARDS, 2)
    now_seconds, _ = await redis.time()
    for shard, subscription, deliveries in ((Shard(0), "one", 3), (Shard(1), "two", 4)):
        await redis.zadd(shard.due, {subscription: (now_seconds - 60) * 1000})
        mapping = {f"delivery-{number}": "{}" for number in range(deliveries)}
        await redis.hset(shard.deliveries(subscription), mapping=mapping)  # type: ignore[arg-type]
        await redis.xadd(shard.dead_letters, {"delivery": "given up"})

    queue = (await watch.read()).queue

    assert (queue.waiting, queue.dead_letters) == (7, 2)
    assert 59 <= queue.overdue_seconds < 120


async def test_endpoints_are_counted_by_state_and_again_when_one_changes(redis: Redis, watch: StoreWatch) -> None:
    await redis.set(keys.SHARDS, 1)
    shard = Shard(0)
    await _subscription(redis, shard, "one", "active")
    await _subscription(redis, shard, "two", "active")
    before = (await watch.read()).queue.endpoints

    await _subscription(redis, shard, "two", "paused")

    assert dict(before) == {"active": 2, "paused": 0, "disabled": 0}
    assert dict((await watch.read()).queue.endpoints) == {"active": 1, "paused": 1, "disabled": 0}


async def _subscription(redis: Redis, shard: Shard, name: str, state: str) -> None:
    await redis.hset(shard.subscriptions, name, json.dumps({"id": name, "state": state}))
    await redis.incr(shard.version)


async def _entry_of_age(redis: Redis, stream: str, seconds: int) -> str:
    now_seconds, _ = await redis.time()
    return str(await redis.xadd(stream, {"told": "something"}, id=f"{(now_seconds - seconds) * 1000}-0"))


async def _oldest(watch: StoreWatch) -> float:
    (group,) = (await watch.read()).groups
    return group.oldest_seconds
