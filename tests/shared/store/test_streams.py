"""Streams: nothing is lost when consumers die, nothing bad stops the rest, nothing needed is trimmed."""

import asyncio
import errno
from collections.abc import Sequence
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from shared.model.errors import Unavailable
from shared.store import keys
from shared.store.dead_letters import DeadLetters
from shared.store.redis_client import connect
from shared.store.streams import MAX_DELIVERIES, Entry, Handle, StreamConsumer
from shared.store.upkeep.janitor import Janitor, Retention
from tests.waiting import eventually

STREAM, GROUP = keys.ITEMS_STREAM, "render"
SOON = timedelta(milliseconds=200)


class Handler:
    """Takes entries and acknowledges them; raises for those named in `poison`."""

    def __init__(self, redis: Redis, poison: frozenset[str] = frozenset()) -> None:
        self._redis = redis
        self.poison = poison
        self.done: list[str] = []
        self.batches: list[int] = []
        self.away = 0

    async def __call__(self, entries: Sequence[Entry]) -> None:
        self.batches.append(len(entries))
        if self.away:
            self.away -= 1
            raise Unavailable("the disk is full")
        if any(entry.fields["name"] in self.poison for entry in entries):
            raise ValueError("poison")
        for entry in entries:
            if await self._redis.xack(STREAM, GROUP, entry.id):
                self.done.append(entry.fields["name"])


def a_consumer(store_url: str, redis: Redis, handler: Handle, claim_after: timedelta = SOON) -> StreamConsumer:
    async def bury(entry: Entry, reason: str) -> None:
        await DeadLetters(redis).bury(STREAM, GROUP, entry.id, reason)

    return StreamConsumer(store_url, STREAM, GROUP, handler, bury, claim_after=claim_after)


async def publish(redis: Redis, *names: str) -> list[str]:
    return [str(await redis.xadd(STREAM, {"name": name})) for name in names]


async def pending(redis: Redis) -> int:
    summary = await redis.xpending(STREAM, GROUP)
    return int(summary["pending"])


async def test_what_was_published_before_the_first_start_is_consumed(store_url: str, redis: Redis) -> None:
    handler = Handler(redis)
    await publish(redis, *map(str, range(250)))

    async with a_consumer(store_url, redis, handler).running():
        await eventually(lambda: len(handler.done) == 250, "all entries")

    assert handler.done == [str(number) for number in range(250)]
    assert max(handler.batches) == 100
    assert await pending(redis) == 0


async def test_what_a_dead_consumer_left_is_claimed(store_url: str, redis: Redis) -> None:
    await redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    await publish(redis, "a", "b", "c")
    await redis.xreadgroup(GROUP, "dead", {STREAM: ">"}, count=2)
    handler = Handler(redis)

    async with a_consumer(store_url, redis, handler).running():
        await eventually(lambda: len(handler.done) == 3, "the abandoned entries")

    assert sorted(handler.done) == ["a", "b", "c"]
    assert await pending(redis) == 0


async def test_what_a_dead_consumer_left_is_claimed_in_batches(store_url: str, redis: Redis) -> None:
    await redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    await publish(redis, *map(str, range(250)))
    await redis.xreadgroup(GROUP, "dead", {STREAM: ">"}, count=250)
    handler = Handler(redis)

    async with a_consumer(store_url, redis, handler).running():
        await eventually(lambda: len(handler.done) == 250, "the abandoned entries")

    assert handler.batches == [100, 100, 50]
    assert handler.done == [str(number) for number in range(250)]


async def test_what_was_delivered_twice_is_claimed_alone(store_url: str, redis: Redis) -> None:
    await redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    ids = await publish(redis, "once", "twice", "thrice", "once more")
    await redis.xreadgroup(GROUP, "dead", {STREAM: ">"})
    for taken_again in (ids[1], ids[2], ids[2]):
        await redis.xclaim(STREAM, GROUP, "dead too", 0, [taken_again])
    handler = Handler(redis)

    async with a_consumer(store_url, redis, handler).running():
        await eventually(lambda: len(handler.done) == 4, "the abandoned entries")

    assert handler.done == ["once", "once more", "twice", "thrice"]
    assert handler.batches == [2, 1, 1]


async def test_an_abandoned_entry_may_hold_bytes_that_are_no_text(store_url: str, redis: Redis) -> None:
    await redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    await redis.xadd(STREAM, {"name": b"\xff"})
    async with connect(store_url, decode_responses=False) as dead:
        await dead.xreadgroup(GROUP, "dead", {STREAM: ">"})
    handler = Handler(redis)

    async with a_consumer(store_url, redis, handler).running():
        await eventually(lambda: len(handler.done) == 1, "the abandoned entry")

    assert handler.done == ["\ufffd"]


async def test_a_lost_group_goes_on_where_it_was(store_url: str, redis: Redis) -> None:
    handler = Handler(redis)
    await publish(redis, "a", "b")
    async with a_consumer(store_url, redis, handler).running():
        await eventually(lambda: len(handler.done) == 2, "what was there")
    await Janitor(redis, Retention(STREAM, (GROUP,), timedelta(days=1))).tidy()

    await redis.xgroup_destroy(STREAM, GROUP)
    await publish(redis, "c")
    async with a_consumer(store_url, redis, handler).running():
        await eventually(lambda: "c" in handler.done, "what came since")

    assert handler.done == ["a", "b", "c"]


async def test_a_lost_group_takes_again_what_was_not_acknowledged(store_url: str, redis: Redis) -> None:
    await redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    ids = await publish(redis, "a", "b", "c")
    await redis.xreadgroup(GROUP, "worker", {STREAM: ">"})
    await redis.xack(STREAM, GROUP, ids[0], ids[2])
    await Janitor(redis, Retention(STREAM, (GROUP,), timedelta(days=1))).tidy()
    handler = Handler(redis)

    await redis.xgroup_destroy(STREAM, GROUP)
    async with a_consumer(store_url, redis, handler).running():
        await eventually(lambda: "c" in handler.done, "the rest")

    assert handler.done == ["b", "c"]


async def test_one_bad_entry_is_buried_alone_with_its_reason(store_url: str, redis: Redis) -> None:
    handler = Handler(redis, frozenset({"bad"}))
    await publish(redis, "a", "bad", "b")

    async with a_consumer(store_url, redis, handler).running():
        await publish(redis, "c")
        await eventually(lambda: _is_there(redis, keys.DEAD_LETTERS), "the burial")
        await publish(redis, "d")
        await eventually(lambda: len(handler.done) == 4, "the others")

    (letter,) = [fields for _, fields in await redis.xrange(keys.DEAD_LETTERS) or []]
    assert sorted(handler.done) == ["a", "b", "c", "d"]
    assert letter is not None
    assert letter["fields"] == '["name","bad"]'
    assert str(MAX_DELIVERIES) in str(letter["reason"])
    assert await pending(redis) == 0


async def test_what_passes_is_waited_for_and_nothing_is_buried(store_url: str, redis: Redis) -> None:
    handler = Handler(redis)
    handler.away = 3
    await publish(redis, "a", "b")

    async with a_consumer(store_url, redis, handler, timedelta(seconds=30)).running():
        await eventually(lambda: len(handler.done) == 2, "the batch")

    assert handler.batches == [2, 2, 2, 2]
    assert not await redis.exists(keys.DEAD_LETTERS)


async def test_while_a_disk_takes_some_each_entry_is_tried_alone(store_url: str, redis: Redis) -> None:
    handler = Handler(redis)
    is_full = {"b"}

    async def handle(entries: Sequence[Entry]) -> None:
        if is_full.intersection(entry.fields["name"] for entry in entries):
            raise OSError(errno.ENOSPC, "No space left on device")
        await handler(entries)

    await publish(redis, "a", "b", "c")
    async with a_consumer(store_url, redis, handle, timedelta(seconds=30)).running():
        await eventually(lambda: handler.done == ["a", "c"], "those that need no room")
        is_full.clear()
        await eventually(lambda: len(handler.done) == 3, "the one that waited")

    assert handler.done == ["a", "c", "b"]
    assert not await redis.exists(keys.DEAD_LETTERS)


async def test_a_slow_batch_is_not_taken_by_another_consumer(store_url: str, redis: Redis) -> None:
    may_end = asyncio.Event()
    slow, quick = Handler(redis), Handler(redis)

    class Slow(Handler):
        async def __call__(self, entries: Sequence[Entry]) -> None:
            await may_end.wait()
            await slow(entries)

    await publish(redis, "a")
    async with a_consumer(store_url, redis, Slow(redis)).running():
        await eventually(lambda: _is_taken(redis), "the batch in hand")
        async with a_consumer(store_url, redis, quick).running():
            # Twice the time after which an entry that nobody renews would be claimed.
            await eventually(lambda: _renewals(redis, may_end), "renewed claims")
            await eventually(lambda: len(slow.done) == 1, "the slow batch")

    assert (slow.done, quick.done) == (["a"], [])


async def _is_there(redis: Redis, name: str) -> bool:
    return bool(await redis.exists(name))


async def _is_taken(redis: Redis) -> bool:
    return bool(await redis.exists(STREAM)) and await pending(redis) == 1


async def _renewals(redis: Redis, enough: asyncio.Event) -> bool:
    """Let the slow batch end once its entry is older than the claim time and still young in its claim."""
    (entry,) = await redis.xpending_range(STREAM, GROUP, "-", "+", 1)
    seconds, microseconds = await redis.time()
    age = int(seconds) * 1000 + int(microseconds) // 1000 - int(str(entry["message_id"]).partition("-")[0])
    if age > 3 * SOON.total_seconds() * 1000:
        assert int(entry["time_since_delivered"]) < SOON.total_seconds() * 1000
        enough.set()
    return enough.is_set()


async def test_trimming_waits_for_every_group(redis: Redis) -> None:
    ids = await publish(redis, *map(str, range(10)))
    await redis.xgroup_create(STREAM, GROUP, id="0")
    await redis.xreadgroup(GROUP, "worker", {STREAM: ">"}, count=6)
    await redis.xack(STREAM, GROUP, *ids[:3])
    janitor = Janitor(redis, Retention(STREAM, (GROUP,), timedelta()))

    removed = await janitor.tidy()

    assert removed == 3  # the fourth is pending
    assert await redis.hget(keys.TRIMMED, STREAM) == ids[2]
    assert await redis.xlen(STREAM) == 7


# Entries of the millisecond in which the script runs are old enough, too.
NO_TIME = timedelta(milliseconds=-1)


@pytest.mark.parametrize(
    ("groups", "keep", "passed", "removed"),
    [
        pytest.param((GROUP, "other"), timedelta(), "+", 0, id="a group that is not there yet"),
        pytest.param((GROUP,), timedelta(days=1), "+", 0, id="young entries"),
        pytest.param((GROUP,), NO_TIME, None, 0, id="nobody has passed anything"),
        pytest.param((GROUP,), NO_TIME, 4, 5, id="as far as those beside the groups have passed"),
        pytest.param((GROUP,), NO_TIME, "+", 10, id="everything"),
    ],
)
async def test_trimming_stops_at_what_somebody_needs(
    redis: Redis, groups: tuple[str, ...], keep: timedelta, passed: str | int | None, removed: int
) -> None:
    ids = await publish(redis, *map(str, range(10)))
    await redis.xgroup_create(STREAM, GROUP, id=ids[-1])
    floor = ids[passed] if isinstance(passed, int) else passed

    async def passed_by_others() -> str | None:
        return floor

    assert await Janitor(redis, Retention(STREAM, groups, keep), passed_by_others).tidy() == removed


async def test_a_silent_consumer_that_still_owns_something_is_kept(redis: Redis) -> None:
    await publish(redis, "a")
    await redis.xgroup_create(STREAM, GROUP, id="0")
    await redis.xreadgroup(GROUP, "owner", {STREAM: ">"})

    await Janitor(redis, Retention(STREAM, (GROUP,), timedelta())).tidy()

    assert await pending(redis) == 1
