"""The store's clock is set back by an hour: what was due by it comes back with it."""

from collections.abc import Sequence
from datetime import timedelta

from redis.asyncio import Redis

from services.notify.delivery.kept_moments import kept_moments
from services.notify.delivery.queue import DeliveryQueue, QueueRules
from services.render.app import kept_moments as moments_of_render
from shared.http.store_numbers import StoreWatch
from shared.model.clock import span_ms, store_now, to_ms
from shared.store import keys
from shared.store.upkeep.clock_watch import ClockWatch, KeptMoments
from tests.notify.delivery.queue_acts import SHARD, enqueue, lease, names
from tests.notify.factories import a_subscription
from tests.waiting import eventually

AN_HOUR = timedelta(hours=1)


class OwnClock:
    """This process's clock. The store's is set back by an hour where this one goes on by an hour beside it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def set_back(watch: ClockWatch, clock: OwnClock) -> None:
    await watch.look()
    clock.seconds += AN_HOUR.total_seconds()
    await watch.look()


def a_watch(redis: Redis, clock: OwnClock) -> ClockWatch:
    async def moments() -> Sequence[KeptMoments]:
        return [*await kept_moments(redis, 1), *await moments_of_render()]

    return ClockWatch(redis, moments, (keys.ITEMS_STREAM, keys.RENDER_GROUP), clock)


async def test_a_lease_of_a_dead_worker_a_retry_and_a_circuit_come_due_as_they_would_have(redis: Redis) -> None:
    clock, ahead = OwnClock(), to_ms(await store_now(redis)) + span_ms(AN_HOUR)
    subscription = a_subscription("one")
    await redis.hset(SHARD.subscriptions, subscription.id, "{}")
    await redis.zadd(SHARD.due, {subscription.id: ahead + 15_000})
    await redis.zadd(SHARD.leased(subscription.id), {"one token": ahead + 30_000})
    await redis.zadd(SHARD.later(subscription.id), {"two": ahead + 5_000})
    await redis.hset(SHARD.endpoint(subscription.id), "open_until", str(ahead + 7_000))

    await set_back(a_watch(redis, clock), clock)

    now = to_ms(await store_now(redis))
    wait = {
        "due": int(await redis.zscore(SHARD.due, subscription.id) or 0) - now,
        "leased": int(await redis.zscore(SHARD.leased(subscription.id), "one token") or 0) - now,
        "later": int(await redis.zscore(SHARD.later(subscription.id), "two") or 0) - now,
        "circuit": int(await redis.hget(SHARD.endpoint(subscription.id), "open_until") or 0) - now,
    }
    meant = {"due": 15_000, "leased": 30_000, "later": 5_000, "circuit": 7_000}
    assert {name: abs(wait[name] - ms) < 3_000 for name, ms in meant.items()} == dict.fromkeys(meant, True)


async def test_a_delivery_that_was_enqueued_before_is_sent_at_once(redis: Redis) -> None:
    clock, queue, subscription = (
        OwnClock(),
        DeliveryQueue(redis, QueueRules(timedelta(seconds=30))),
        a_subscription("one"),
    )
    await redis.hset(SHARD.subscriptions, subscription.id, "{}")
    await enqueue(redis, subscription, "one")
    await redis.zincrby(SHARD.due, span_ms(AN_HOUR), subscription.id)
    assert names(await lease(queue, subscription)) == []

    await set_back(a_watch(redis, clock), clock)

    assert names(await lease(queue, subscription)) == ["one"]


async def test_the_age_of_the_backlog_goes_on(redis: Redis) -> None:
    clock, now = OwnClock(), to_ms(await store_now(redis))
    await redis.zadd(keys.UNSHOWN, {"waiting": now + span_ms(AN_HOUR) - 20_000, "vetoed": -now})
    assert (await StoreWatch(redis).read()).unshown.oldest_seconds == 0

    await set_back(a_watch(redis, clock), clock)

    unshown = (await StoreWatch(redis).read()).unshown
    assert 19 <= unshown.oldest_seconds < 60
    assert unshown.unrenderable == 1


async def test_an_entry_of_a_dead_consumer_is_idle_from_now_on(redis: Redis) -> None:
    clock = OwnClock()
    await redis.xgroup_create(keys.ITEMS_STREAM, keys.RENDER_GROUP, id="0", mkstream=True)
    await redis.xadd(keys.ITEMS_STREAM, {"id": "one"})
    await redis.xreadgroup(keys.RENDER_GROUP, "dead", {keys.ITEMS_STREAM: ">"})

    async def idle_ms() -> int:
        ((one),) = await redis.xpending_range(keys.ITEMS_STREAM, keys.RENDER_GROUP, "-", "+", 1)
        assert (one["consumer"], one["times_delivered"]) == ("dead", 1)
        return int(one["time_since_delivered"])

    async def has_been_idle() -> bool:
        return await idle_ms() > 500

    await eventually(has_been_idle)

    await set_back(a_watch(redis, clock), clock)

    assert await idle_ms() < 500


async def test_of_two_services_that_see_it_one_brings_moments_back(redis: Redis) -> None:
    clock, now = OwnClock(), to_ms(await store_now(redis))
    await redis.zadd(keys.UNSHOWN, {"waiting": now + 2 * span_ms(AN_HOUR)})

    for _ in range(2):
        await set_back(a_watch(redis, clock), clock)

    moment = int(await redis.zscore(keys.UNSHOWN, "waiting") or 0)
    assert abs(moment - now - span_ms(AN_HOUR)) < 3_000


async def test_a_clock_that_goes_on_moves_nothing(redis: Redis) -> None:
    clock, now = OwnClock(), to_ms(await store_now(redis))
    await redis.zadd(keys.UNSHOWN, {"waiting": now + 60_000})
    watch = a_watch(redis, clock)

    await watch.look()
    await watch.look()

    assert await redis.zscore(keys.UNSHOWN, "waiting") == now + 60_000
