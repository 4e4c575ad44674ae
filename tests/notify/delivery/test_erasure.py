"""Erasure in the delivery shards: what waits, what was tried and what was given up of an erased item is forgotten."""

from datetime import timedelta

import pytest
from redis.asyncio import Redis

from services.notify.delivery.erasure import DeliveryEraser
from services.notify.delivery.queue import DeliveryQueue, EndpointQuery, QueueRules, ShardTurn
from services.notify.model.delivery import (
    Attempt,
    Burial,
    Delivery,
    DeliveryLease,
    Retry,
    Settlement,
    TryAgain,
    Verdict,
)
from services.notify.model.log_position import Cursor
from services.notify.model.subscription import Subscription
from services.notify.subscriptions.store import SubscriptionStore, cursor_fields
from shared.model.ids import ItemId, LogId, SubscriptionId, delivery_id, event_id
from shared.store import keys
from shared.store.keys import Shard
from tests.notify.delivery.test_shard_advance import Replica
from tests.notify.factories import a_subscription, an_event, announce

SHARD = Shard(0)
GONE, OTHER = ItemId("gone"), ItemId("other")
SAID = "said again by the endpoint"


@pytest.fixture
async def subscription(redis: Redis) -> Subscription:
    one = a_subscription("one")
    await SubscriptionStore(redis, 1).add(one)
    return one


def erasing(redis: Redis, longest_attempt: timedelta = timedelta(hours=1)) -> DeliveryEraser:
    return DeliveryEraser(redis, SubscriptionStore(redis, 1), longest_attempt)


async def enqueue(redis: Redis, one: Subscription, item: ItemId, *revisions: int) -> None:
    for number in revisions:
        event = event_id(item, number)
        delivery = Delivery(delivery_id(event, one.id), event, "item.published.v1", LogId("1-0"), 0)
        await redis.hset(SHARD.deliveries(one.id), delivery.id, delivery.to_json())
        await redis.rpush(SHARD.ready(one.id), delivery.id)
    await redis.zadd(SHARD.due, {one.id: 0})


async def lease(redis: Redis, one: Subscription, at_once: int = 1) -> list[DeliveryLease]:
    version = int(await redis.get(SHARD.version) or 0)
    queue = DeliveryQueue(redis, QueueRules(timedelta(seconds=30)))
    query = EndpointQuery(one, is_slow=False, at_once=at_once)
    (result,) = await queue.turn([ShardTurn(SHARD, (), [query], version=version, quick=100, slow=100)])
    return list(result.leases)


async def settle(redis: Redis, one: DeliveryLease, verdict: Verdict) -> None:
    attempt = Attempt(1, 0, 5, TryAgain("status", "500", 500), SAID)
    settlement = Settlement(one, verdict, one.delivery.after_attempt(), attempt)
    await DeliveryQueue(redis, QueueRules(timedelta(seconds=30))).turn([ShardTurn(SHARD, [settlement])])


async def erased(redis: Redis, item: ItemId, newest: int) -> None:
    await redis.hset(keys.ERASED, f"{item}:{newest}", "1000")


async def test_what_waits_is_forgotten_and_what_stood_behind_it_is_next(
    redis: Redis, subscription: Subscription
) -> None:
    await enqueue(redis, subscription, GONE, 1, 2)
    await enqueue(redis, subscription, OTHER, 1)
    await enqueue(redis, subscription, GONE, 3)
    await erased(redis, GONE, 3)

    await erasing(redis).step()

    leases = await lease(redis, subscription, at_once=4)
    assert [one.delivery.event_id for one in leases] == [event_id(OTHER, 1), event_id(GONE, 3)]


@pytest.mark.parametrize(
    "verdict",
    [
        pytest.param(Retry(timedelta(hours=1)), id="to be tried again"),
        pytest.param(Burial("status"), id="given up"),
    ],
)
async def test_what_the_endpoint_answered_is_forgotten(
    redis: Redis, subscription: Subscription, verdict: Verdict
) -> None:
    await enqueue(redis, subscription, GONE, 1)
    (in_hand,) = await lease(redis, subscription)
    await settle(redis, in_hand, verdict)
    await erased(redis, GONE, 2)

    await erasing(redis).step()

    assert await redis.xlen(SHARD.attempts(subscription.id)) == 0
    assert await redis.xlen(SHARD.dead_letters) == 0
    assert await redis.hlen(SHARD.deliveries(subscription.id)) == 0
    assert await redis.zcard(SHARD.later(subscription.id)) == 0


async def test_events_of_a_later_epoch_are_forgotten_too(redis: Redis, subscription: Subscription) -> None:
    for event in (event_id(GONE, 1), event_id(GONE, 2, 1), event_id(GONE, 3, 1)):
        delivery = Delivery(delivery_id(event, subscription.id), event, "item.published.v1", LogId("1-0"), 0)
        await redis.hset(SHARD.deliveries(subscription.id), delivery.id, delivery.to_json())
        await redis.rpush(SHARD.ready(subscription.id), delivery.id)
    await redis.hset(keys.ERASED, f"{GONE}:3", "1000 2:1")

    await erasing(redis).step()

    kept = await redis.hkeys(SHARD.deliveries(subscription.id))
    assert kept == [delivery_id(event_id(GONE, 3, 1), subscription.id)]


async def test_what_was_told_of_others_stays(redis: Redis, subscription: Subscription) -> None:
    await enqueue(redis, subscription, OTHER, 1)
    (in_hand,) = await lease(redis, subscription)
    await settle(redis, in_hand, Burial("status"))
    await erased(redis, GONE, 2)

    await erasing(redis).step()

    assert await redis.xlen(SHARD.attempts(subscription.id)) == 1
    assert await redis.xlen(SHARD.dead_letters) == 1


async def test_an_item_stays_on_the_list_until_no_attempt_can_come_back(
    redis: Redis, subscription: Subscription
) -> None:
    await enqueue(redis, subscription, GONE, 1)
    (in_the_air,) = await lease(redis, subscription)
    await erased(redis, GONE, 2)
    await erasing(redis, timedelta(days=36500)).step()
    waits = await redis.hlen(keys.ERASED)
    await settle(redis, in_the_air, Retry(timedelta(hours=1)))
    came_back = await redis.xlen(SHARD.attempts(subscription.id))

    await erasing(redis).step()

    assert (waits, came_back) == (1, 1)
    assert await redis.xlen(SHARD.attempts(subscription.id)) == 0
    assert await redis.hlen(SHARD.deliveries(subscription.id)) == 0
    assert await redis.exists(keys.ERASED) == 0


async def test_events_that_were_erased_before_a_shard_passed_them_are_for_nobody_and_the_others_for_all(
    redis: Redis,
) -> None:
    replica = Replica(redis)
    await replica.subscribe("live", "paused")
    await replica.consumer.advance_all()
    await replica.pause("paused")
    places = [await announce(redis, an_event(name)) for name in ("before", "gone-1", "gone-2", "withdrawn", "after")]
    await redis.xdel(keys.PAGES_STREAM, *places[1:3])

    await replica.consumer.advance_all()
    await replica.resume("paused")
    await replica.consumer.advance_all()

    for name in ("live", "paused"):
        assert await replica.queued(name) == ["before", "withdrawn", "after"]
    assert (await replica.store.cursor(replica.store.shard_of(SubscriptionId("live")))).passed == places[-1]


async def test_a_shard_that_was_in_the_middle_of_an_event_that_was_erased_goes_on_behind_it(redis: Redis) -> None:
    replica = Replica(redis)
    await replica.subscribe("a", "b")
    before, gone, _ = [await announce(redis, an_event(name)) for name in ("before", "gone", "after")]
    half_done = Cursor(before, gone, SubscriptionId("a"))
    for mirror in replica.store.mirrors:
        passed, within, upto = cursor_fields(half_done)
        await redis.hset(mirror.shard.cursor, mapping={"passed": passed, "within": within, "upto": upto})
    await redis.xdel(keys.PAGES_STREAM, gone)

    await replica.consumer.advance_all()

    assert [await replica.queued(name) for name in "ab"] == [["after"], ["after"]]
