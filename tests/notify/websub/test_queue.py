"""The scripts behind WebSub, over a real store: crashes, races and limits between any two of their steps."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from services.notify.delivery.concurrency import AttemptSlots
from services.notify.delivery.shard_advance import LogReading
from services.notify.log.event_log import EventLog
from services.notify.websub.marking import FeedMarking
from services.notify.websub.queue import (
    FeedLease,
    FeedQueue,
    FeedSettlement,
    RequestLease,
    RequestQueue,
    RequestSettlement,
)
from services.notify.websub.subscriptions import (
    FeedRequest,
    FeedSubscription,
    FeedSubscriptionStore,
    feed_subscription_id,
)
from shared.model.errors import Unavailable
from shared.model.ids import SubscriptionId
from shared.store.keys import Shard
from tests.notify.factories import an_event, announce
from tests.waiting import eventually

SHARD = Shard(0)
PATH = "/en/feed.atom"
FAR_AHEAD_MS = 4_000_000_000_000
LONG = timedelta(seconds=60)
SHORT = timedelta(milliseconds=50)


def a_request(number: str, callback: str = "https://example.org/1") -> FeedRequest:
    topic = f"https://news.example{PATH}"
    return FeedRequest(
        id=feed_subscription_id("websub", topic, callback),
        mode="subscribe",
        topic=topic,
        path=PATH,
        callback=callback,
        lease_seconds=3600,
        digest="old",
        number=number,
    )


def a_record(request: FeedRequest, expires_ms: int = FAR_AHEAD_MS) -> FeedSubscription:
    return FeedSubscription(
        id=request.id,
        protocol="websub",
        topic=request.topic,
        path=request.path,
        callback=request.callback,
        sealed_secret=None,
        expires_ms=expires_ms,
    )


async def subscribe(redis: Redis, count: int = 1, expires_ms: int = FAR_AHEAD_MS) -> list[SubscriptionId]:
    """Make subscriptions that are due."""
    store, queue = FeedSubscriptionStore(redis, [SHARD]), RequestQueue(redis, [SHARD], LONG)
    for number in range(count):
        await store.keep_request(a_request(f"n{number}", f"https://example.org/{number}"))
    taken = await take_requests(queue, count)
    await queue.settle([RequestSettlement(one, "subscribe", record=a_record(one.request, expires_ms)) for one in taken])
    return [one.request.id for one in taken]


async def take(queue: FeedQueue, quick: int = 10, slow: int = 10) -> list[FeedLease]:
    queue.ring()
    return list(await queue.turn([], AttemptSlots(time.monotonic, quick, slow)))


async def take_requests(queue: RequestQueue, count: int = 10) -> list[RequestLease]:
    queue.ring()
    return list(await queue.turn([], AttemptSlots(time.monotonic, quick=count)))


async def test_what_one_worker_has_in_hand_no_other_takes(redis: Redis) -> None:
    await subscribe(redis, 3)

    first = await take(FeedQueue(redis, [SHARD], LONG))
    second = await take(FeedQueue(redis, [SHARD], LONG))

    assert (len(first), len(second)) == (3, 0)
    assert {one.sent for one in first} == {"old"}


async def test_what_a_lost_worker_had_in_hand_is_due_again_as_a_failure(redis: Redis) -> None:
    await subscribe(redis)
    lost = FeedQueue(redis, [SHARD], SHORT)
    (before,) = await take(lost)
    other = FeedQueue(redis, [SHARD], LONG)
    again: list[FeedLease] = []

    async def is_due_again() -> bool:
        again.extend(await take(other))
        return bool(again)

    await eventually(is_due_again, "its turn")
    # The lost one comes back, too late to settle.
    await lost.settle([FeedSettlement(before, "done", digest="wrong")])
    await other.settle([FeedSettlement(again[0], "retry")])

    (third,) = await take(other)
    assert again[0].attempts == 1
    assert third.sent == "old"


async def test_settling_twice_does_no_harm(redis: Redis) -> None:
    await subscribe(redis)
    queue = FeedQueue(redis, [SHARD], LONG)
    (lease,) = await take(queue)
    settlement = FeedSettlement(lease, "done", digest="new", attempt_line="{}")

    await queue.settle([settlement])
    await queue.settle([settlement])

    assert await redis.xlen(SHARD.attempts(lease.subscription.id)) == 1
    assert await take(queue) == []


async def test_what_is_marked_while_it_is_in_hand_is_due_after_its_spacing(redis: Redis) -> None:
    await subscribe(redis)
    queue = FeedQueue(redis, [SHARD], LONG)
    (lease,) = await take(queue)
    await announced(redis, PATH)
    await mark(redis)

    await queue.settle([FeedSettlement(lease, "done", digest="new", spacing=SHORT)])

    again: list[FeedLease] = []

    async def is_due_again() -> bool:
        again.extend(await take(queue))
        return bool(again)

    await eventually(is_due_again, "its turn")
    assert again[0].sent == "new"


async def test_marking_again_from_where_another_already_was_writes_nothing(redis: Redis) -> None:
    await subscribe(redis)
    queue = FeedQueue(redis, [SHARD], LONG)
    (lease,) = await take(queue)
    await queue.settle([FeedSettlement(lease, "done")])
    place = await announced(redis, PATH)

    assert await mark(redis) == 1
    assert await mark(redis) == 0
    assert await redis.get(SHARD.websub_cursor) == place


async def test_one_whose_lease_is_over_is_taken_by_nobody_and_forgotten(redis: Redis) -> None:
    await subscribe(redis, expires_ms=1)

    assert await take(FeedQueue(redis, [SHARD], LONG)) == []
    assert [key async for key in redis.scan_iter("{d0}:websub-*")] == []


async def test_slow_ones_for_which_there_is_no_room_do_not_stand_before_quick_ones(redis: Redis) -> None:
    ids = await subscribe(redis, 60)
    queue = FeedQueue(redis, [SHARD], LONG)
    slow = await take(queue, quick=50)
    await queue.settle([FeedSettlement(one, "retry", is_slow=True) for one in slow])
    # Those that have waited longest are the slow ones.
    await redis.zadd(SHARD.websub_due, dict.fromkeys((one.subscription.id for one in slow), 1))
    taken: list[FeedLease] = []

    async def are_all_quick_ones_taken() -> bool:
        taken.extend(await take(queue, quick=10, slow=0))
        return len(taken) == 10

    await eventually(are_all_quick_ones_taken, "the quick ones")
    assert {one.subscription.id for one in taken} == set(ids) - {one.subscription.id for one in slow}


async def test_a_request_that_took_anothers_place_is_the_one_that_counts(redis: Redis) -> None:
    store, queue = FeedSubscriptionStore(redis, [SHARD]), RequestQueue(redis, [SHARD], LONG)
    await store.keep_request(a_request("first"))
    (first,) = await take_requests(queue)
    await store.keep_request(a_request("second"))

    await queue.settle([RequestSettlement(first, "subscribe", record=a_record(first.request))])

    assert await store.list() == []
    (second,) = await take_requests(queue)
    assert second.request.number == "second"


async def test_a_request_in_a_lost_workers_hand_is_taken_again_and_its_late_settlement_ignored(redis: Redis) -> None:
    store, queue = FeedSubscriptionStore(redis, [SHARD]), RequestQueue(redis, [SHARD], SHORT)
    await store.keep_request(a_request("only"))
    (lost,) = await take_requests(queue)
    again: list[RequestLease] = []

    async def is_taken_again() -> bool:
        again.extend(await take_requests(queue))
        return bool(again)

    await eventually(is_taken_again, "its turn")
    await queue.settle([RequestSettlement(lost, "subscribe", record=a_record(lost.request))])

    assert again[0].request.attempts == 2
    assert await store.list() == []


async def test_too_many_requests_are_refused_and_a_repeated_one_is_not(redis: Redis) -> None:
    store = FeedSubscriptionStore(redis, [SHARD], most_requests=2)
    await store.keep_request(a_request("a", "https://example.org/a"))
    await store.keep_request(a_request("b", "https://example.org/b"))

    with pytest.raises(Unavailable):
        await store.keep_request(a_request("c", "https://example.org/c"))
    await store.keep_request(a_request("d", "https://example.org/a"))


async def test_scripts_are_told_to_a_server_that_has_forgotten_them(redis: Redis) -> None:
    await subscribe(redis)
    queue = FeedQueue(redis, [SHARD], LONG)
    await take(queue)
    await redis.script_flush()

    assert await take(queue) == []


async def announced(redis: Redis, *paths: str) -> str:
    event = an_event()
    return await announce(redis, replace(event, feeds=paths))


async def mark(redis: Redis) -> int:
    """Follow the log to its end; return how many were marked."""
    rung: list[int] = []
    marking = FeedMarking(redis, [SHARD], lambda: rung.append(1))
    await marking.to_end(await LogReading.begun(EventLog(redis)))
    return len(rung)
