"""Move replays along, a bounded step at a time; a crash costs a step, which the next process takes again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.notify.delivery.dead_letters import DeadDeliveries
from services.notify.delivery.replays import Replay, ReplayStore
from services.notify.log.event_log import EventLog
from services.notify.model.delivery import Delivery
from services.notify.model.filter import CompiledFilter, candidate
from services.notify.model.log_position import is_before
from services.notify.subscriptions.store import SubscriptionStore
from shared.model.clock import store_now, to_ms
from shared.model.ids import LogId, delivery_id
from shared.model.stream_id import StreamId
from shared.runtime.background import background
from shared.store.keys import Shard

log = structlog.get_logger()

# One call of the script holds the server for about a millisecond.
_AT_ONCE = 200
# What another process was asked for, or had in hand when it died, is found so soon.
_POLL_SECONDS = 2.0
# While its endpoint has enough to do, a replay looks again so soon.
_FULL_SECONDS = 0.25
_FULL = -2

Again = tuple[Delivery, str]
"""A delivery to be made again, and its dead letter's id, or ''."""


class ReplayWorker:
    """Runs every job, in any number of processes: of two steps at one place, one comes too late and writes nothing."""

    def __init__(
        self,
        redis: Redis,
        store: SubscriptionStore,
        event_log: EventLog,
        replays: ReplayStore,
        on_enqueued: Callable[[], None],
    ) -> None:
        self._redis = redis
        self._store = store
        self._event_log = event_log
        self._replays = replays
        self._dead = DeadDeliveries(redis, store)
        self._on_enqueued = on_enqueued
        self._bell = asyncio.Event()

    def ring(self) -> None:
        """Look at once: a job was begun."""
        self._bell.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work while the block runs."""
        async with background(self._run()):
            yield

    async def _run(self) -> None:
        while True:
            pause = _POLL_SECONDS
            self._bell.clear()
            try:
                steps = [await self.step(shard, replay) for shard, replay in await self._replays.running()]
                if steps:
                    pause = _FULL_SECONDS if all(step == _FULL for step in steps) else 0
            except (RedisError, OSError) as error:
                log.warning("replays.waiting", reason=repr(error), seconds=pause)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._bell.wait()

    async def step(self, shard: Shard, replay: Replay) -> int:
        """Take one step of one job, and return what replay_step.lua does."""
        deliveries, place = await self._next(shard, replay)
        after = replay.moved(place, len(deliveries), await store_now(self._redis))
        appended = await self._replays.step(shard, replay, after, deliveries)
        if appended >= 0:
            self._on_enqueued()
            if after.state == "done":
                log.info(
                    "replay.finished", replay=replay.id, subscription=replay.subscription_id, count=after.deliveries
                )
        return appended

    async def _next(self, shard: Shard, replay: Replay) -> tuple[Sequence[Again], LogId]:
        now_ms = to_ms(await store_now(self._redis))
        if replay.only == "failed":
            return await self._dead_after(shard, replay, now_ms)
        return await self._logged_after(replay, now_ms)

    async def _dead_after(self, shard: Shard, replay: Replay, now_ms: int) -> tuple[Sequence[Again], LogId]:
        letters, last = await self._dead.after(shard, replay.place, _AT_ONCE)
        wanted = [
            (letter.made_anew(now_ms), letter.letter_id)
            for letter in letters
            if letter.subscription_id == replay.subscription_id
            and not is_before(replay.end, LogId(letter.letter_id))
            and replay.concerns(_event_ms(letter.delivery, letter.letter_id))
        ]
        return wanted, _nearer(LogId(last) if last else None, replay.end)

    async def _logged_after(self, replay: Replay, now_ms: int) -> tuple[Sequence[Again], LogId]:
        page = await self._event_log.after(replay.place, _AT_ONCE)
        mirror = await self._store.refresh(self._store.mirror_of(replay.subscription_id))
        subscription = mirror.subscriptions.get(replay.subscription_id)
        if subscription is None:
            return (), replay.place
        wanted = CompiledFilter(subscription.filter)
        found: list[Again] = []
        for logged in page.events:
            if is_before(replay.end, logged.log_id):
                break
            with contextlib.suppress(KeyError, TypeError, ValueError):
                facts = candidate(logged).facts
                if facts is not None and wanted.matches(facts):
                    event, one = logged.event, delivery_id(logged.event.id, subscription.id)
                    again = Delivery(one, event.id, event.type, logged.log_id, now_ms, is_again=True)
                    found.append((again, ""))
        return found, _nearer(page.last, replay.end)


def _nearer(place: LogId | None, end: LogId) -> LogId:
    """Return where a step ends: behind what was read, or at the end."""
    return end if place is None or is_before(end, place) else place


def _event_ms(delivery: Delivery, letter_id: str) -> int:
    """Return when its event was announced; a ping, which is in no log, counts by when it was given up."""
    return StreamId.parse(letter_id if delivery.body is not None else delivery.log_id).milliseconds
