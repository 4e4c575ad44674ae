"""Replays: jobs that enqueue deliveries again, under the same ids, from the log or from the dead letters."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict
from redis.asyncio import Redis

from services.notify.log.event_log import EventLog, LogNoLongerReaches
from services.notify.model.delivery import Delivery
from services.notify.model.log_position import LOG_START, is_before
from services.notify.model.subscription import Subscription
from services.notify.subscriptions.store import SubscriptionStore
from shared.model.clock import store_now, to_ms
from shared.model.errors import NotFound
from shared.model.ids import LogId, SubscriptionId
from shared.model.stream_id import StreamId
from shared.store.keys import Shard
from shared.store.scripts import Script

Only = Literal["failed", "all"]

# Back-pressure: a replay pauses while this many deliveries wait for the endpoint. The rest stays in the log.
MOST_WAITING = 5000
_REMEMBERED = timedelta(days=7)


class Replay(BaseModel):
    """
    A job that reads from `start` to `end` and enqueues each delivery again.

    `running`: each step moves `place` towards `end`. `done`: `place` has reached `end`.
    With `only` = `all` the three are ids of log entries, and every event that the filter matches is enqueued, delivered
    or not, even from before the subscription was made. With `failed` they are ids of dead letters in the shard.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    subscription_id: SubscriptionId
    only: Only
    since: datetime | None
    until: datetime | None
    start: LogId
    place: LogId
    end: LogId
    deliveries: int = 0
    state: Literal["running", "done"] = "running"
    created_at: datetime
    finished_at: datetime | None = None

    @property
    def progress(self) -> float:
        """How far the job has come, from 0 to 1, by the times in the ids."""
        if self.state == "done":
            return 1.0
        start, place, end = (StreamId.parse(one).milliseconds for one in (self.start, self.place, self.end))
        return min(1.0, max(0.0, (place - start) / max(1, end - start)))

    def concerns(self, event_ms: int) -> bool:
        """Whether an event of this time is between `since` and `until`."""
        return (self.since is None or event_ms >= to_ms(self.since)) and (
            self.until is None or event_ms < to_ms(self.until)
        )

    def moved(self, place: LogId, deliveries: int, now: datetime) -> "Replay":
        """Return the job after a step."""
        is_done = not is_before(place, self.end)
        return self.model_copy(
            update={
                "place": place,
                "deliveries": self.deliveries + deliveries,
                "state": "done" if is_done else "running",
                "finished_at": now if is_done else None,
            }
        )


class ReplayStore:
    """Begins, reads and moves jobs."""

    def __init__(self, redis: Redis, store: SubscriptionStore, event_log: EventLog) -> None:
        self._redis = redis
        self._store = store
        self._event_log = event_log
        self._step = Script(redis, __name__, "replay_step.lua")

    async def begin(
        self, subscription: Subscription, only: Only, since: datetime | None, until: datetime | None
    ) -> Replay:
        """Store a new job and return it. Raises LogNoLongerReaches if the log no longer reaches back to `since`."""
        now = await store_now(self._redis)
        shard = self._store.shard_of(subscription.id)
        start, end = await (self._letters(shard) if only == "failed" else self._log(subscription, since, until))
        replay = Replay(
            id="replay" + secrets.token_hex(8),
            subscription_id=subscription.id,
            only=only,
            since=since,
            until=until,
            start=start,
            place=start,
            end=end,
            created_at=now,
        )
        if not is_before(start, end):
            replay = replay.moved(end, 0, now)
        await self._forget_old(shard, now)
        await self._redis.hset(shard.replays, replay.id, replay.model_dump_json())
        return replay

    async def find(self, subscription_id: SubscriptionId, replay_id: str) -> Replay:
        """Return the job. Raises NotFound."""
        record = await self._redis.hget(self._store.shard_of(subscription_id).replays, replay_id)
        replay = Replay.model_validate_json(record) if record is not None else None
        if replay is None or replay.subscription_id != subscription_id:
            raise NotFound(f'there is no replay "{replay_id}" of {subscription_id}, or it is no longer remembered')
        return replay

    async def of(self, subscription_id: SubscriptionId) -> "list[Replay]":
        """Return the kept jobs of the subscription, the newest first."""
        records = await self._redis.hvals(self._store.shard_of(subscription_id).replays)
        jobs = [job for job in map(Replay.model_validate_json, records) if job.subscription_id == subscription_id]
        return sorted(jobs, key=lambda job: job.created_at, reverse=True)

    async def running(self) -> "list[tuple[Shard, Replay]]":
        """Return every job that is not done."""
        pipeline = self._redis.pipeline(transaction=False)
        for mirror in self._store.mirrors:
            pipeline.hvals(mirror.shard.replays)
        kept = await pipeline.execute()
        return [
            (mirror.shard, replay)
            for mirror, records in zip(self._store.mirrors, kept, strict=True)
            for replay in map(Replay.model_validate_json, records)
            if replay.state == "running"
        ]

    async def step(
        self, shard: Shard, before: Replay, after: Replay, deliveries: "Sequence[tuple[Delivery, str]]"
    ) -> int:
        """Enqueue deliveries, store the job after the step, and return what replay_step.lua returns."""
        one = before.subscription_id
        argument = {
            "job": before.id,
            "seen": before.model_dump_json(),
            "record": after.model_dump_json(),
            "subscription": one,
            "most_waiting": MOST_WAITING,
            "deliveries": [(delivery.id, delivery.to_json(), letter_id) for delivery, letter_id in deliveries],
        }
        queue = shard.ready(one), shard.deliveries(one), shard.dead_letters
        return int(await self._step([shard.replays, shard.subscriptions, shard.due, *queue], argument))

    async def _letters(self, shard: Shard) -> tuple[LogId, LogId]:
        """Return the ids before the first and of the last dead letter."""
        last = await self._redis.xrevrange(shard.dead_letters, count=1)
        first = await self._redis.xrange(shard.dead_letters, count=1)
        if not first or not last:
            return LOG_START, LOG_START
        return _before(StreamId.parse(str(first[0][0])).milliseconds), LogId(str(last[0][0]))

    async def _log(
        self, subscription: Subscription, since: datetime | None, until: datetime | None
    ) -> tuple[LogId, LogId]:
        """Return the ids before the first and of the last event; events ahead of the fan-out are left to it."""
        trimmed = await self._event_log.trimmed()
        start = _before(to_ms(since)) if since is not None else trimmed
        if is_before(start, trimmed):
            raise LogNoLongerReaches(f"the log no longer reaches back to {since}", trimmed)
        cursor = await self._store.cursor(self._store.shard_of(subscription.id))
        own_place = subscription.resume_from or cursor.place_of(subscription.id)
        end = max(own_place, subscription.since, key=StreamId.parse)
        if until is not None and is_before(_before(to_ms(until)), end):
            end = _before(to_ms(until))
        return start, end

    async def _forget_old(self, shard: Shard, now: datetime) -> None:
        for replay_id, record in (await self._redis.hgetall(shard.replays)).items():
            finished_at = Replay.model_validate_json(record).finished_at
            if finished_at is not None and finished_at < now - _REMEMBERED:
                await self._redis.hdel(shard.replays, str(replay_id))


def _before(milliseconds: int) -> LogId:
    """Return the last id before a moment."""
    return LogId(str(StreamId(milliseconds).previous))
