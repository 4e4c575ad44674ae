"""The lease loop, over a real store, with attempts by hand."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from redis.asyncio import Redis

from services.notify.delivery.attempt import DeliveryAttempts
from services.notify.delivery.due_deliveries import DueDeliveries
from services.notify.delivery.lease_loop import LeaseLoop
from services.notify.delivery.log_consumer import LogConsumer
from services.notify.delivery.queue import DeliveryQueue, QueueRules
from services.notify.delivery.shard_advance import ShardAdvance
from services.notify.log.event_log import EventLog
from services.notify.model.delivery import Attempt, DeliveryLease, Settlement, Success
from services.notify.subscriptions.store import SubscriptionStore
from shared.model.ids import SubscriptionId
from shared.runtime.background import background
from shared.store.keys import Shard
from tests.notify.factories import a_subscription, an_event, announce
from tests.waiting import eventually

SHARD = Shard(0)
Act = Callable[[DeliveryLease], Awaitable[None]]


class Attempts(DeliveryAttempts):
    """Notes what it is given, then does what the test says."""

    def __init__(self, act: Act) -> None:  # the sender and the rest are not asked
        self.act = act
        self.begun: list[str] = []

    async def attempt(self, lease: DeliveryLease) -> Settlement:
        self.begun.append(lease.delivery.id)
        await self.act(lease)
        return Settlement(lease, Success(200), lease.delivery.after_attempt(), Attempt(1, 0, 0, Success(200)))


@asynccontextmanager
async def working(redis: Redis, act: Act, *, grace: float = 8, lease_for: float = 30) -> AsyncIterator[Attempts]:
    store = SubscriptionStore(redis, 1)
    attempts = Attempts(act)
    queue = DeliveryQueue(redis, QueueRules(timedelta(seconds=lease_for)))
    due = DueDeliveries(queue, store, _not_failing)
    loop = LeaseLoop("deliveries", due, attempts, grace=timedelta(seconds=grace))
    consumer = a_consumer(redis, store, loop.ring)
    async with loop.running(), background(consumer.run()):
        yield attempts


def a_consumer(redis: Redis, store: SubscriptionStore, on_enqueued: Callable[[], None]) -> LogConsumer:
    event_log = EventLog(redis)
    return LogConsumer(redis, store, event_log, ShardAdvance(redis, store, event_log), on_enqueued)


async def _not_failing(_: SubscriptionId, __: int) -> None:
    return


async def enqueue(redis: Redis, subscriptions: int, events: int) -> None:
    """Make subscriptions s0, s1, … and enqueue events e0, e1, … for each."""
    store = SubscriptionStore(redis, 1)
    for number in range(subscriptions):
        await store.add(a_subscription(f"s{number}"))
    await announce(redis, *(an_event(f"e{number}") for number in range(events)))
    await a_consumer(redis, store, lambda: None).advance_all()


async def unsettled(redis: Redis, name: str = "s0") -> int:
    return int(await redis.hlen(SHARD.deliveries(SubscriptionId(name))))


async def test_everything_that_was_enqueued_is_attempted_and_settled(redis: Redis) -> None:
    await enqueue(redis, subscriptions=3, events=50)

    async with working(redis, _at_once) as attempts:
        await eventually(lambda: len(attempts.begun) == 150)

    assert len(set(attempts.begun)) == 150
    assert [await unsettled(redis, f"s{number}") for number in range(3)] == [0, 0, 0]


async def test_more_hanging_endpoints_than_quick_slots_delay_no_other(redis: Redis) -> None:
    hang = asyncio.Event()

    async def hang_but_one(lease: DeliveryLease) -> None:
        if lease.endpoint != "s299":
            await hang.wait()

    await enqueue(redis, subscriptions=300, events=3)

    async with working(redis, hang_but_one, lease_for=3600) as attempts:
        # The first attempts of 299 endpoints that nothing is known of hang before the prompt one's turn comes.
        await eventually(lambda: sum(one.endswith("-s299") for one in attempts.begun) == 3)
        begun = len(attempts.begun)
        hang.set()

    # Each of those that hang has one attempt under way, no more.
    assert begun <= 299 + 3


async def test_what_is_cut_off_at_a_stop_is_handed_back_at_once(redis: Redis) -> None:
    await enqueue(redis, subscriptions=1, events=1)

    async with working(redis, _for_ever, grace=0.05) as attempts:
        await eventually(lambda: len(attempts.begun) == 1)

    assert await redis.zcard(SHARD.leased(SubscriptionId("s0"))) == 0
    assert '"reason":"interrupted"' in str(await redis.xrange(SHARD.attempts(SubscriptionId("s0"))))
    async with working(redis, _at_once) as attempts:
        await eventually(lambda: len(attempts.begun) == 1)
    assert await unsettled(redis) == 0


async def test_a_mistake_of_ours_costs_one_delivery_an_attempt_and_the_others_nothing(redis: Redis) -> None:
    broken: list[str] = []

    async def break_once(lease: DeliveryLease) -> None:
        if lease.delivery.event_id == "e1" and not broken:
            broken.append(lease.delivery.id)
            raise RuntimeError("our mistake")

    await enqueue(redis, subscriptions=1, events=3)

    async with working(redis, break_once, lease_for=0.3) as attempts:
        await eventually(lambda: len(attempts.begun) == 4)

    assert attempts.begun.count("e1-s0") == 2
    assert await unsettled(redis) == 0


async def test_a_slow_attempt_is_settled_when_it_ends(redis: Redis) -> None:
    let_go = asyncio.Event()

    async def wait(_: DeliveryLease) -> None:
        await let_go.wait()

    await enqueue(redis, subscriptions=1, events=1)

    async with working(redis, wait) as attempts:
        await eventually(lambda: len(attempts.begun) == 1)
        let_go.set()
        await eventually(lambda: _settled(redis))

    assert attempts.begun == ["e0-s0"]


async def test_what_another_process_enqueues_is_found(redis: Redis) -> None:
    async with working(redis, _at_once) as attempts:
        await enqueue(redis, subscriptions=1, events=2)

        await eventually(lambda: len(attempts.begun) == 2)


async def test_a_deleted_subscriptions_deliveries_are_forgotten_even_while_one_is_in_the_air(redis: Redis) -> None:
    let_go = asyncio.Event()

    async def wait(_: DeliveryLease) -> None:
        await let_go.wait()

    await enqueue(redis, subscriptions=1, events=5)

    async with working(redis, wait) as attempts:
        await eventually(lambda: len(attempts.begun) == 1)
        await SubscriptionStore(redis, 1).delete(SubscriptionId("s0"))
        let_go.set()

    assert attempts.begun == ["e0-s0"]
    assert [key async for key in redis.scan_iter("*s0*")] == []


async def _settled(redis: Redis) -> bool:
    return await unsettled(redis) == 0


async def _at_once(_: DeliveryLease) -> None:
    return


async def _for_ever(_: DeliveryLease) -> None:
    await asyncio.Event().wait()
