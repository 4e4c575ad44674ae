"""Run replays in bounded steps. After a crash the next process repeats the last step."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.notify.delivery.dead_letters import DeadDeliveries
from services.notify.delivery.replays import Replay, ReplayStore
from services.notify.log.event_log import EventLog
from services.notify.model.delivery import Delivery
from services.notify.model.filter import CompiledFilter, candidate, hearing
from services.notify.model.log_position import is_before
from services.notify.subscriptions.store import SubscriptionStore
from shared.model.clock import store_now, to_ms
from shared.model.ids import LogId, delivery_id
from shared.model.stream_id import StreamId
from shared.store.keys import Shard

log = structlog.get_logger()

# Whoever asks for what was announced before the subscription was made hears how it went on.
_FROM_THE_FIRST = StreamId(0)

# One call of the script blocks the server for about 1 ms.
_AT_ONCE = 200
# A replay that another process began, or left when it died, is found within this time.
_POLL_SECONDS = 2.0
# While too many deliveries wait for its endpoint, a replay is tried again after this time.
_FULL_SECONDS = 0.25
_FULL = -2

ReplayedDelivery = tuple[Delivery, str]
"""A delivery to enqueue again, and the id of its dead letter, or ''."""


class ReplayWorker:
    """Runs all replays. Of two processes that take the same step, one loses the compare-and-set and writes nothing."""

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
        """Look for replays at once: one was begun."""
        self._bell.set()

    async def run(self) -> None:
        """Take steps until cancelled."""
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
        """Take one step of one replay, and return what replay_step.lua returns."""
        now = await store_now(self._redis)
        read = self._dead_after if replay.only == "failed" else self._logged_after
        deliveries, place = await read(shard, replay, to_ms(now))
        after = replay.moved(place, len(deliveries), now)
        appended = await self._replays.step(shard, replay, after, deliveries)
        if appended >= 0:
            self._on_enqueued()
            if after.state == "done":
                log.info("replay.finished", replay=after.id, subscription=after.subscription_id, count=after.deliveries)
        return appended

    async def _dead_after(self, shard: Shard, replay: Replay, now_ms: int) -> tuple[Sequence[ReplayedDelivery], LogId]:
        letters, last = await self._dead.after(shard, replay.place, _AT_ONCE)
        wanted = [
            (letter.renewed(now_ms), letter.letter_id)
            for letter in letters
            if letter.subscription_id == replay.subscription_id
            and not is_before(replay.end, LogId(letter.letter_id))
            and replay.concerns(_event_ms(letter.delivery, letter.letter_id))
        ]
        return wanted, _nearer(LogId(last) if last else None, replay.end)

    async def _logged_after(self, _: Shard, replay: Replay, now_ms: int) -> tuple[Sequence[ReplayedDelivery], LogId]:
        page = await self._event_log.after(replay.place, _AT_ONCE)
        mirror = await self._store.refresh(self._store.mirror_of(replay.subscription_id))
        subscription = mirror.subscriptions.get(replay.subscription_id)
        if subscription is None:
            return (), replay.place
        wanted = CompiledFilter(subscription.filter)
        found: list[ReplayedDelivery] = []
        for logged in page.events:
            if is_before(replay.end, logged.log_id):
                break
            with contextlib.suppress(KeyError, TypeError, ValueError):
                heard = hearing(wanted, candidate(logged), _FROM_THE_FIRST)
                if heard is not None:
                    event, one = logged.event, delivery_id(logged.event.id, subscription.id)
                    again = Delivery(
                        one, event.id, heard.event_type, logged.log_id, now_ms, is_again=True, left=heard.left
                    )
                    found.append((again, ""))
        return found, _nearer(page.last, replay.end)


def _nearer(place: LogId | None, end: LogId) -> LogId:
    """Return where a step ends: behind the last entry that was read, or at the replay's end."""
    return end if place is None or is_before(end, place) else place


def _event_ms(delivery: Delivery, letter_id: str) -> int:
    """Return when the event was announced; for a ping, which is in no log, when it was given up."""
    return StreamId.parse(letter_id if delivery.body is not None else delivery.log_id).milliseconds
