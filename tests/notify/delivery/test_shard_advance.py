"""Fan-out along the log: exactly once, in order, whatever gets in between."""

import asyncio
from random import Random

import pytest
from redis.asyncio import Redis

from services.notify.delivery.log_consumer import LogConsumer
from services.notify.delivery.shard_advance import ShardAdvance
from services.notify.log.event_log import EventLog
from services.notify.model.delivery import Delivery
from services.notify.model.subscription import Subscription
from services.notify.subscriptions.store import SubscriptionStore, WrongShardCount, settle_shard_count
from shared.model.clock import store_now
from shared.model.events import FEEDS_CHANGED, AnnouncedEvent
from shared.model.ids import DeliveryId, EventId, LogId, SubscriptionId
from shared.store import keys
from shared.store.keys import Shard, delivery_tally
from tests.notify.factories import a_subscription, an_event, announce

SHARDS = 2


class Replica:
    """What one process has of fan-out."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.event_log = EventLog(redis)
        self.store = SubscriptionStore(redis, SHARDS)
        self.rung = 0
        self.consumer = LogConsumer(
            redis, self.store, self.event_log, ShardAdvance(redis, self.store, self.event_log), self._on_enqueued
        )

    def _on_enqueued(self) -> None:
        self.rung += 1

    async def subscribe(self, *names: str, **changes: object) -> None:
        newest = await self.event_log.newest()
        for name in names:
            await self.store.add(a_subscription(name, since=newest, **changes))

    async def queued(self, name: str) -> list[str]:
        shard = self.store.shard_of(SubscriptionId(name))
        ids = await self.redis.lrange(shard.ready(SubscriptionId(name)), 0, -1)
        assert len(ids) == len(set(ids))
        assert set(ids) == set(await self.redis.hkeys(shard.deliveries(SubscriptionId(name))))
        return [str(one).rpartition("-")[0] for one in ids]

    async def pause(self, name: str) -> None:
        await self._change(name, state="paused")

    async def resume(self, name: str) -> None:
        await self._change(name, state="active")

    async def _change(self, name: str, state: str) -> None:
        now = await store_now(self.redis)

        def changed(before: Subscription, cursor: object) -> Subscription:
            place = before.resume_from or self._place(cursor, name)
            return before.model_copy(update={"state": state, "state_since": now, "resume_from": place})

        await self.store.change(SubscriptionId(name), changed)

    @staticmethod
    def _place(cursor: object, name: str) -> LogId:
        assert hasattr(cursor, "place_of")
        return LogId(cursor.place_of(SubscriptionId(name)))


@pytest.fixture
def replica(redis: Redis) -> Replica:
    return Replica(redis)


def events(count: int) -> list[AnnouncedEvent]:
    return [an_event(f"e{n}") for n in range(count)]


async def test_every_event_is_enqueued_for_every_subscription_in_order(replica: Replica) -> None:
    await replica.subscribe("a", "b", "c")
    await announce(replica.redis, *events(5))

    await replica.consumer.advance_all()

    for name in "abc":
        assert await replica.queued(name) == ["e0", "e1", "e2", "e3", "e4"]
    assert replica.rung == 1


async def test_advancing_again_enqueues_nothing_again(replica: Replica) -> None:
    await replica.subscribe("a")
    await announce(replica.redis, *events(2))

    await replica.consumer.advance_all()
    await replica.consumer.advance_all()

    assert await replica.queued("a") == ["e0", "e1"]


async def test_one_event_for_more_endpoints_than_one_step_takes(replica: Replica) -> None:
    names = [f"s{n:04}" for n in range(1300)]
    await replica.subscribe(*names)
    await announce(replica.redis, *events(2))

    await replica.consumer.advance_all()

    assert all([await replica.queued(name) == ["e0", "e1"] for name in names])


async def test_how_many_an_event_is_for_is_counted_once_whoever_fans_it_out(redis: Redis) -> None:
    replicas = [Replica(redis) for _ in range(3)]
    await replicas[0].subscribe(*(f"s{n:04}" for n in range(600)))
    await announce(redis, *events(2))

    await asyncio.gather(*(replica.consumer.advance_all() for replica in replicas))

    for event in ("e0", "e1"):
        tallies = [delivery_tally(Shard(number), EventId(event)) for number in range(SHARDS)]
        assert sum([int(await redis.hget(tally, "enqueued") or 0) for tally in tallies]) == 600
        assert all([await redis.ttl(tally) > 0 for tally in tallies])


async def test_a_delivery_that_is_made_by_itself_is_not_counted(replica: Replica) -> None:
    await replica.subscribe("a")
    shard = replica.store.shard_of(SubscriptionId("a"))
    ping = Delivery(DeliveryId("p-a"), EventId("p"), "ping.v1", LogId("0-0"), 0, body="{}")

    await ShardAdvance(replica.redis, replica.store, replica.event_log).enqueue(SubscriptionId("a"), ping)

    assert await replica.queued("a") == ["p"]
    assert not await replica.redis.exists(delivery_tally(shard, EventId("p")))


async def test_two_replicas_at_once_enqueue_everything_once(redis: Redis) -> None:
    replicas = [Replica(redis) for _ in range(3)]
    names = [f"s{n}" for n in range(40)]
    await replicas[0].subscribe(*names)
    await announce(redis, *events(60))

    await asyncio.gather(*(replica.consumer.advance_all() for replica in replicas))

    expected = [f"e{n}" for n in range(60)]
    assert all([await replicas[0].queued(name) == expected for name in names])


@pytest.mark.parametrize("seed", range(5))
async def test_a_crash_at_any_point_enqueues_nothing_twice_and_skips_nothing(redis: Redis, seed: int) -> None:
    random = Random(seed)
    names = [f"s{n}" for n in range(30)]
    await Replica(redis).subscribe(*names)
    await announce(redis, *events(50))

    for _ in range(15):
        crashing = asyncio.create_task(Replica(redis).consumer.advance_all())
        for _ in range(random.randrange(60)):
            await asyncio.sleep(0)
        crashing.cancel()
        await asyncio.gather(crashing, return_exceptions=True)
    last = Replica(redis)
    await last.consumer.advance_all()

    assert all([await last.queued(name) == [f"e{n}" for n in range(50)] for name in names])


async def test_subscriptions_made_while_events_arrive_hear_all_that_came_after_them(redis: Redis) -> None:
    one, other = Replica(redis), Replica(redis)
    heard_from: dict[str, int] = {}

    async def announcing() -> None:
        for event in events(80):
            await announce(redis, event)
            await one.consumer.advance_all()

    async def subscribing() -> None:
        for n in range(20):
            await other.subscribe(f"s{n}")
            # What is announced from here on must be heard.
            heard_from[f"s{n}"] = await redis.xlen(keys.PAGES_STREAM)

    await asyncio.gather(announcing(), subscribing(), other.consumer.advance_all())
    await one.consumer.advance_all()

    for name, start in heard_from.items():
        queued = await one.queued(name)
        assert queued[-(80 - start) :] == [f"e{n}" for n in range(start, 80)] if start < 80 else True
        assert queued == [f"e{n}" for n in range(80 - len(queued), 80)]


async def test_another_replicas_new_subscription_is_noticed(redis: Redis) -> None:
    one, other = Replica(redis), Replica(redis)
    await one.consumer.advance_all()
    await other.subscribe("a")
    await announce(redis, *events(1))

    await one.consumer.advance_all()

    assert await one.queued("a") == ["e0"]


async def test_a_paused_subscription_goes_on_where_it_stopped(replica: Replica) -> None:
    await replica.subscribe("a", "b")
    await announce(replica.redis, *events(2))
    await replica.consumer.advance_all()
    await replica.pause("a")
    await announce(replica.redis, an_event("missed1"), an_event("missed2"))
    await replica.consumer.advance_all()
    paused = await replica.queued("a")

    await replica.resume("a")
    await replica.consumer.advance_all()
    await announce(replica.redis, an_event("live"))
    await replica.consumer.advance_all()

    assert paused == ["e0", "e1"]
    assert await replica.queued("a") == ["e0", "e1", "missed1", "missed2", "live"]
    assert (await replica.store.find(SubscriptionId("a"))).is_live


async def test_catching_up_takes_steps_and_loses_no_race_with_the_live_fan_out(redis: Redis) -> None:
    replicas = [Replica(redis) for _ in range(2)]
    await replicas[0].subscribe("a", "b")
    await replicas[0].consumer.advance_all()
    await replicas[0].pause("a")
    await announce(redis, *events(1100))
    await replicas[0].consumer.advance_all()
    await replicas[0].resume("a")

    async def announcing() -> None:
        for n in range(1100, 1150):
            await announce(redis, an_event(f"e{n}"))
            await replicas[1].consumer.advance_all()

    await asyncio.gather(replicas[0].consumer.advance_all(), announcing())
    await replicas[0].consumer.advance_all()

    for name in "ab":
        assert await replicas[0].queued(name) == [f"e{n}" for n in range(1150)]


async def test_an_unreadable_entry_is_passed(replica: Replica) -> None:
    await replica.subscribe("a")
    await replica.redis.xadd(keys.PAGES_STREAM, {"nothing": "of use"})
    broken = AnnouncedEvent(EventId("x"), "item.published.v1", "", "0" * 32, '{"data": []}', ())
    await announce(replica.redis, broken, an_event("good"))
    await replica.redis.xadd(keys.PAGES_STREAM, {"nothing": "of use"})

    await replica.consumer.advance_all()

    assert await replica.queued("a") == ["good"]
    shard = replica.store.shard_of(SubscriptionId("a"))
    assert (await replica.store.cursor(shard)).passed == await replica.event_log.newest()


async def test_changed_feeds_are_passed(replica: Replica) -> None:
    await replica.subscribe("a")
    await announce(replica.redis, AnnouncedEvent(EventId("f"), FEEDS_CHANGED, "", "0" * 32, "", ("/en/feed.rss",)))
    await announce(replica.redis, an_event("good"))

    await replica.consumer.advance_all()

    assert await replica.queued("a") == ["good"]


async def test_over_a_gap_in_the_log_fan_out_goes_on_from_the_oldest_kept(replica: Replica) -> None:
    await replica.subscribe("a")
    await announce(replica.redis, an_event("before"))
    await replica.consumer.advance_all()
    gone = await announce(replica.redis, an_event("lost1"), an_event("lost2"))
    kept = await announce(replica.redis, an_event("kept"))
    await replica.redis.xtrim(keys.PAGES_STREAM, minid=kept, approximate=False)
    await replica.redis.hset(keys.TRIMMED, keys.PAGES_STREAM, gone)

    await replica.consumer.advance_all()

    assert await replica.queued("a") == ["before", "kept"]


async def test_shards_nobody_listens_in_move_along_too(replica: Replica) -> None:
    last = await announce(replica.redis, *events(3))

    await replica.consumer.advance_all()

    assert await replica.store.passed_by_all() == last


async def test_the_number_of_shards_is_fixed_at_the_first_start(redis: Redis) -> None:
    assert await settle_shard_count(redis, 4) == 4
    assert await settle_shard_count(redis, 4) == 4
    with pytest.raises(WrongShardCount, match="CLARION_SHARDS=4"):
        await settle_shard_count(redis, 8)
