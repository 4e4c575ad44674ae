"""The queue's scripts, against a real server."""

from datetime import timedelta

import pytest
from redis.asyncio import Redis

from services.notify.delivery.queue import DeliveryQueue, EndpointQuery, QueueRules, ShardTurn
from services.notify.model.delivery import (
    Burial,
    Delivery,
    DeliveryLease,
    HandBack,
    Omission,
    Retry,
    Success,
)
from shared.model.clock import store_now, to_ms
from shared.model.ids import DeliveryId, EventId, LogId, SubscriptionId
from shared.store.keys import delivery_tally
from tests.notify.delivery.queue_acts import SHARD, enqueue, lease, leased_into, names, settle
from tests.notify.factories import a_subscription
from tests.waiting import eventually


@pytest.fixture
def queue(redis: Redis) -> DeliveryQueue:
    return DeliveryQueue(redis, QueueRules(timedelta(seconds=30)))


async def test_deliveries_are_leased_in_order_and_only_once(redis: Redis, queue: DeliveryQueue) -> None:
    one = a_subscription("one")
    await enqueue(redis, one, "a", "b", "c")

    first = await lease(queue, one)
    second = await lease(queue, one)

    assert names(first) == ["a", "b", "c"]
    assert names(second) == []


async def test_an_endpoint_bears_only_so_many_at_a_time(redis: Redis, queue: DeliveryQueue) -> None:
    one = a_subscription("one")
    await enqueue(redis, one, "a", "b", "c")

    first = await lease(queue, one, at_once=2)
    full = await lease(queue, one, at_once=2)
    await settle(queue, first.leases[0], Success(200))
    after = await lease(queue, one, at_once=2)

    assert (names(first), names(full), names(after)) == (["a", "b"], [], ["c"])


async def test_what_was_erased_is_gone_without_a_trace_and_an_ordered_endpoint_goes_on(
    redis: Redis, queue: DeliveryQueue
) -> None:
    one = a_subscription("one", ordered=True)
    await enqueue(redis, one, "a", "b")

    await settle(queue, (await lease(queue, one)).leases[0], Omission())
    behind = await lease(queue, one)

    assert names(behind) == ["b"]
    assert await redis.xlen(SHARD.attempts(one.id)) == 0
    assert await redis.xlen(SHARD.dead_letters) == 0
    assert await redis.hkeys(SHARD.deliveries(one.id)) == ["b"]


async def test_what_was_heard_is_gone(redis: Redis, queue: DeliveryQueue) -> None:
    one = a_subscription("one")
    await enqueue(redis, one, "a")

    await settle(queue, (await lease(queue, one)).leases[0], Success(200))
    await lease(queue, one)

    assert await redis.keys("{d0}:[rld]*") == []
    assert await redis.xlen(SHARD.attempts(one.id)) == 1


async def test_a_retry_comes_due_after_its_wait_and_remembers_its_attempts(redis: Redis, queue: DeliveryQueue) -> None:
    one = a_subscription("one")
    await enqueue(redis, one, "a")

    await settle(queue, (await lease(queue, one)).leases[0], Retry(timedelta(seconds=0.3)))
    early = await lease(queue, one)

    assert names(early) == []
    assert 0 < early.heads[one.id] - early.leased_ms <= 300
    due: list[DeliveryLease] = []
    await eventually(lambda: leased_into(queue, one, due))
    assert due[0].delivery.attempts == 1


async def test_an_unordered_endpoint_does_not_wait_for_a_retry(redis: Redis, queue: DeliveryQueue) -> None:
    one = a_subscription("one")
    await enqueue(redis, one, "a", "b")

    await settle(queue, (await lease(queue, one, at_once=1)).leases[0], Retry(timedelta(hours=1)))

    assert names(await lease(queue, one, at_once=1)) == ["b"]


async def test_the_head_of_an_ordered_endpoint_blocks_the_rest(redis: Redis, queue: DeliveryQueue) -> None:
    one = a_subscription("one", ordered=True)
    await enqueue(redis, one, "a", "b")

    head = await lease(queue, one)
    beside = await lease(queue, one)
    await settle(queue, head.leases[0], Retry(timedelta(seconds=0.2)))
    waiting = await lease(queue, one)

    assert (names(head), names(beside), names(waiting)) == (["a"], [], [])
    due: list[DeliveryLease] = []
    await eventually(lambda: leased_into(queue, one, due))
    assert due[0].delivery.id == "a"
    await settle(queue, due[0], Success(200))
    assert names(await lease(queue, one)) == ["b"]


async def test_a_lease_that_ran_out_is_an_interrupted_attempt_and_is_made_again(redis: Redis) -> None:
    one = a_subscription("one")
    frozen = DeliveryQueue(redis, QueueRules(timedelta(milliseconds=50)))
    other = DeliveryQueue(redis, QueueRules(timedelta(seconds=30)))
    await enqueue(redis, one, "a")
    await lease(frozen, one)

    due: list[DeliveryLease] = []
    await eventually(lambda: leased_into(other, one, due))

    assert due[0].delivery == Delivery(DeliveryId("a"), EventId("a"), "item.published.v1", LogId("1-0"), 0, attempts=1)
    assert '"reason":"interrupted"' in str(await redis.xrevrange(SHARD.attempts(one.id)))


async def test_a_late_settle_changes_nothing(redis: Redis) -> None:
    one = a_subscription("one")
    frozen = DeliveryQueue(redis, QueueRules(timedelta(milliseconds=20)))
    other = DeliveryQueue(redis, QueueRules(timedelta(seconds=30)))
    await enqueue(redis, one, "a")
    late = (await lease(frozen, one)).leases[0]
    due: list[DeliveryLease] = []
    await eventually(lambda: leased_into(other, one, due))
    attempts = await redis.xlen(SHARD.attempts(one.id))

    for verdict in (Success(200), Retry(timedelta(0)), Burial("status"), HandBack()):
        await settle(frozen, late, verdict)

    assert await redis.xlen(SHARD.attempts(one.id)) == attempts
    assert await redis.hexists(SHARD.deliveries(one.id), "a")
    assert await redis.exists(SHARD.later(one.id), SHARD.dead_letters) == 0
    await settle(other, due[0], Success(200))
    assert not await redis.hexists(SHARD.deliveries(one.id), "a")


async def test_settling_twice_settles_once(redis: Redis, queue: DeliveryQueue) -> None:
    one = a_subscription("one")
    await enqueue(redis, one, "a")
    held = (await lease(queue, one)).leases[0]

    await settle(queue, held, Burial("status"))
    await settle(queue, held, Burial("status"))

    assert await redis.xlen(SHARD.dead_letters) == 1


async def test_what_is_given_up_goes_to_the_dead_letters(redis: Redis, queue: DeliveryQueue) -> None:
    one = a_subscription("one")
    await enqueue(redis, one, "a")

    await settle(queue, (await lease(queue, one)).leases[0], Burial("status"))

    letters = str(await redis.xrange(SHARD.dead_letters))
    assert "'subscription': 'one'" in letters
    assert "'delivery': 'a'" in letters
    assert not await redis.hexists(SHARD.deliveries(one.id), "a")


async def test_what_is_handed_back_is_due_at_once_and_costs_no_attempt(redis: Redis, queue: DeliveryQueue) -> None:
    one = a_subscription("one")
    await enqueue(redis, one, "a", "b")
    held = await lease(queue, one, at_once=1)

    await settle(queue, held.leases[0], HandBack())
    again = await lease(queue, one, at_once=1)

    assert names(again) == ["a"]
    assert again.leases[0].delivery.attempts == 0


async def test_who_was_served_goes_behind_those_who_wait(redis: Redis, queue: DeliveryQueue) -> None:
    subscriptions = [a_subscription(name) for name in ("one", "two", "three")]
    for number, one in enumerate(subscriptions):
        await enqueue(redis, one, *(f"{one.id}-{n}" for n in range(3)))
        await redis.zadd(SHARD.due, {one.id: 1000 + number})

    turns = [names(await lease(queue, *subscriptions, at_once=1, quick=1)) for _ in range(3)]

    assert turns == [["one-0"], ["two-0"], ["three-0"]]


async def test_where_many_wait_none_gets_several_at_once(redis: Redis, queue: DeliveryQueue) -> None:
    one, two = a_subscription("one"), a_subscription("two")
    await enqueue(redis, one, "a", "b", "c")
    await enqueue(redis, two, "d", "e", "f")
    queries = [EndpointQuery(each, is_slow=False, at_once=4) for each in (one, two)]

    (result,) = await queue.turn([ShardTurn(SHARD, (), queries, version=0, quick=4, each=1)])

    assert sorted(names(result)) == ["a", "d"]
    # What is left stands in the line, due now.
    assert set(result.heads.values()) == {result.leased_ms}


async def test_slow_endpoints_have_their_own_budget(redis: Redis, queue: DeliveryQueue) -> None:
    quick, slow = a_subscription("quick"), a_subscription("slow")
    await enqueue(redis, quick, "a")
    await enqueue(redis, slow, "b")

    queries = [EndpointQuery(quick, is_slow=False, at_once=1), EndpointQuery(slow, is_slow=True, at_once=1)]
    (result,) = await queue.turn([ShardTurn(SHARD, (), queries, version=0, quick=0, slow=1)])

    assert names(result) == ["b"]
    assert names(await lease(queue, quick)) == ["a"]


async def test_one_that_is_paused_is_not_leased_and_leaves_the_line(redis: Redis, queue: DeliveryQueue) -> None:
    paused = a_subscription("one", state="paused")
    await enqueue(redis, paused, "a")

    leased = await lease(queue, paused)

    assert names(leased) == []
    assert leased.heads == {}
    assert await redis.llen(SHARD.ready(paused.id)) == 1


async def test_nothing_is_leased_by_rules_that_are_out_of_date(redis: Redis, queue: DeliveryQueue) -> None:
    one = a_subscription("one")
    await enqueue(redis, one, "a")
    await redis.incr(SHARD.version)

    assert (await lease(queue, one)).is_stale
    assert await redis.llen(SHARD.ready(one.id)) == 1


async def test_a_rate_is_kept(redis: Redis, queue: DeliveryQueue) -> None:
    one = a_subscription("one", max_per_second=10)
    await enqueue(redis, one, "a", "b")

    first = await lease(queue, one, at_once=1)
    await settle(queue, first.leases[0], Success(200))
    second = await lease(queue, one, at_once=1)

    assert (names(first), names(second)) == (["a"], [])
    assert 0 < second.heads[one.id] - second.leased_ms <= 100


async def test_attempts_are_kept_up_to_a_hundred(redis: Redis, queue: DeliveryQueue) -> None:
    one = a_subscription("one")
    await enqueue(redis, one, *map(str, range(130)))

    for held in (await lease(queue, one, at_once=130, quick=130)).leases:
        await settle(queue, held, Success(200))

    assert await redis.xlen(SHARD.attempts(one.id)) == 100


async def test_what_is_heard_and_what_is_given_up_is_counted_for_its_event(redis: Redis, queue: DeliveryQueue) -> None:
    one, tally = a_subscription("one"), delivery_tally(SHARD, EventId("a"))
    await redis.hset(tally, "enqueued", "2")
    for verdict in (Success(200), Burial("status")):
        await enqueue(redis, one, "a")
        await settle(queue, (await lease(queue, one)).leases[0], verdict)

    counted = await redis.hgetall(tally)

    assert int(counted.pop("last_ms")) <= to_ms(await store_now(redis))
    assert counted == {"enqueued": "2", "delivered": "1", "dead": "1"}


async def test_what_is_sent_again_is_not_counted_again(redis: Redis, queue: DeliveryQueue) -> None:
    one, tally = a_subscription("one"), delivery_tally(SHARD, EventId("a"))
    await redis.hset(tally, "enqueued", "1")
    again = Delivery(DeliveryId("a"), EventId("a"), "item.published.v1", LogId("1-0"), 0, is_again=True)
    await enqueue(redis, one, "a")
    await redis.hset(SHARD.deliveries(one.id), "a", again.to_json())

    await settle(queue, (await lease(queue, one)).leases[0], Success(200))

    assert await redis.hgetall(tally) == {"enqueued": "1"}


async def test_a_count_that_is_no_longer_kept_is_not_begun_anew(redis: Redis, queue: DeliveryQueue) -> None:
    one = a_subscription("one")
    await enqueue(redis, one, "a")

    await settle(queue, (await lease(queue, one)).leases[0], Success(200))

    assert not await redis.exists(delivery_tally(SHARD, EventId("a")))


async def test_scripts_are_told_again_to_a_server_that_forgot_them(redis: Redis, queue: DeliveryQueue) -> None:
    one = a_subscription("one")
    await enqueue(redis, one, "a", "b")
    await lease(queue, one, quick=1)

    await redis.script_flush()

    assert names(await lease(queue, one)) == ["b"]


async def test_how_long_an_endpoint_has_failed_is_counted_from_its_first_failure(
    redis: Redis, queue: DeliveryQueue
) -> None:
    one = a_subscription("one")
    await enqueue(redis, one, "a", "b")

    await settle(queue, (await lease(queue, one)).leases[0], Retry(timedelta(hours=1)))
    since = await redis.hget(SHARD.endpoint(SubscriptionId("one")), "failing_since")
    await enqueue(redis, one, "c")
    await settle(queue, (await lease(queue, one)).leases[0], Success(200))

    assert since is not None
    assert await redis.hget(SHARD.endpoint(one.id), "failing_since") is None
