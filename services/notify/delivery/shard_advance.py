"""Advance a delivery shard along the log: enqueue each delivery exactly once, in the order of the log."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta

import structlog
from redis.asyncio import Redis

from services.notify.delivery.fan_out import FanOutPlan, plan
from services.notify.log.event_log import EventLog
from services.notify.model.delivery import Delivery, subscription_of
from services.notify.model.filter import Candidate, candidate
from services.notify.model.log_position import Cursor, is_before
from services.notify.model.subscription import Subscription
from services.notify.subscriptions.store import CHANGES_REMEMBERED, ShardMirror, SubscriptionStore, cursor_fields
from shared.model.clock import span_ms
from shared.model.errors import NotFound
from shared.model.ids import LogId, SubscriptionId
from shared.model.stream_id import StreamId
from shared.runtime import tracing
from shared.runtime.trace_step import Step
from shared.store.keys import Shard, delivery_tally
from shared.store.scripts import Script, lua_places

log = structlog.get_logger()

# One call of the script blocks the server for about 3 ms.
DELIVERIES_AT_ONCE = 500
ENTRIES_AT_ONCE = 200


class LogReading:
    """
    One pass over the log for all shards, up to the end that the log had when the pass began.

    As a rule all shards have the same cursor, so each page of the log is read once.
    """

    def __init__(self, event_log: EventLog, trimmed: LogId, newest: LogId, *, moves_all: bool) -> None:
        self._event_log = event_log
        self.trimmed = trimmed
        self.newest = newest
        self.moves_all = moves_all
        """Whether shards without subscriptions move along, too."""
        self._stretches: dict[LogId, asyncio.Task[tuple[Candidate, ...]]] = {}

    @classmethod
    async def begun(cls, event_log: EventLog, *, moves_all: bool = True) -> "LogReading":
        return cls(event_log, await event_log.trimmed(), await event_log.newest(), moves_all=moves_all)

    async def after(self, log_id: LogId) -> tuple[Candidate, ...]:
        """Return the next entries, or none at the end of the log. An entry that cannot be read is left out."""
        if log_id not in self._stretches:
            self._stretches[log_id] = asyncio.create_task(self._read(log_id))
        return await self._stretches[log_id]

    async def _read(self, log_id: LogId) -> tuple[Candidate, ...]:
        if not is_before(log_id, self.newest):
            return ()
        page = await self._event_log.after(log_id, ENTRIES_AT_ONCE)
        if page.last is None:
            return ()
        entries = []
        for logged in page.events:
            try:
                entries.append(candidate(logged))
            except (KeyError, TypeError, ValueError):
                log.exception("log.unreadable", log_id=logged.log_id)
        if not entries or entries[-1].log_id != page.last:
            # Without facts it matches no subscription, and it moves the cursor past entries that cannot be read.
            entries.append(Candidate(page.last, StreamId.parse(page.last)))
        return tuple(entries)


class ShardAdvance:
    """Moves shards along the log. Of two replicas at one shard, one loses the compare-and-set and writes nothing."""

    def __init__(
        self,
        redis: Redis,
        store: SubscriptionStore,
        event_log: EventLog,
        tallies_kept: timedelta = timedelta(days=30),
    ) -> None:
        """`tallies_kept` is how long the counts of an event's deliveries are kept."""
        self._store = store
        self._tallies_kept_ms = span_ms(tallies_kept)
        self._event_log = event_log
        self._fan_out = Script(redis, __name__, "fan_out.lua")

    async def to_end(self, mirror: ShardMirror, reading: LogReading) -> int:
        """Advance the shard to the end of the log, let resumed subscriptions catch up; return the number enqueued."""
        enqueued = 0
        while (step := await self._live_step(mirror, reading)) is not None:
            enqueued += step
        for subscription_id in mirror.catching_up:
            enqueued += await self._catch_up(mirror, subscription_id)
        return enqueued

    async def enqueue(self, subscription_id: SubscriptionId, delivery: Delivery) -> None:
        """Enqueue one delivery: a ping, a notice, or a delivery that is made again. Raises NotFound."""
        mirror = self._store.mirror_of(subscription_id)
        appended = -1
        while appended < 0:
            await self._store.refresh(mirror)
            if subscription_id not in mirror.subscriptions:
                raise NotFound(f'there is no subscription "{subscription_id}"')
            cursor = await self._store.cursor(mirror.shard)
            appended = await self._write(mirror, [delivery], cursor, cursor, is_counted=False)

    async def _live_step(self, mirror: ShardMirror, reading: LogReading) -> int | None:
        """Take one step; return the number enqueued, or None at the end of the log."""
        await self._store.refresh(mirror)
        cursor = await self._cursor_in_log(mirror, reading)
        if not is_before(cursor.passed, reading.newest):
            return None
        if not mirror.live_listeners:
            return max(0, await self._write(mirror, [], cursor, Cursor(reading.newest)))
        entries = await reading.after(cursor.passed)
        if not entries:
            return None
        step = plan(entries, mirror.live_listeners, cursor, DELIVERIES_AT_ONCE, now_ms=_now_ms())
        return max(0, await self._write_plan(mirror, step, cursor))

    async def _cursor_in_log(self, mirror: ShardMirror, reading: LogReading) -> Cursor:
        cursor = await self._store.cursor(mirror.shard)
        if not is_before(cursor.passed, reading.trimmed):
            return cursor
        if cursor != Cursor():
            log.error("log.gap", shard=mirror.shard.number, passed=cursor.passed, trimmed=reading.trimmed)
        await self._write(mirror, [], cursor, Cursor(reading.trimmed))
        return await self._store.cursor(mirror.shard)

    async def _catch_up(self, mirror: ShardMirror, subscription_id: SubscriptionId) -> int:
        """Enqueue what a resumed subscription missed, up to its shard's cursor; from there it is live."""
        enqueued = 0
        while True:
            # A new reading for each step: an older one may end before the shard's cursor.
            reading = await LogReading.begun(self._event_log)
            await self._store.refresh(mirror)
            subscription = mirror.subscriptions.get(subscription_id)
            if subscription is None or subscription.resume_from is None or not subscription.is_catching_up:
                return enqueued
            cursor = await self._store.cursor(mirror.shard)
            if cursor.within is not None:
                # The shard is in the middle of an event, perhaps by another replica: finish the event first.
                await self._live_step(mirror, reading)
                continue
            entries = [
                entry
                for entry in await reading.after(subscription.resume_from)
                if not is_before(cursor.passed, entry.log_id)
            ]
            listeners, seen = [mirror.listener(subscription)], Cursor(subscription.resume_from)
            step = plan(entries, listeners, seen, DELIVERIES_AT_ONCE, now_ms=_now_ms())
            place = step.cursor.passed
            is_there = not entries or not is_before(place, cursor.passed)
            after = subscription.model_copy(update={"resume_from": None if is_there else place})
            enqueued += max(0, await self._write_plan(mirror, FanOutPlan(step.deliveries, cursor), cursor, after))

    async def _write_plan(
        self, mirror: ShardMirror, step: FanOutPlan, seen: Cursor, record: Subscription | None = None
    ) -> int:
        began_ns = time.time_ns()
        enqueued = await self._write(mirror, step.deliveries, seen, step.cursor, record=record)
        if enqueued > 0 and record is None:
            # An event that an earlier step began has its trace step already.
            begun = dict.fromkeys(one.log_id for one in step.deliveries if one.log_id != seen.within)
            self._trace(mirror.shard, begun, began_ns)
        return enqueued

    def _trace(self, shard: Shard, log_ids: Iterable[LogId], began_ns: int) -> None:
        for event in filter(None, map(self._event_log.cached, log_ids)):
            step = Step("notify.fan_out", f"{event.id} {shard.number}")
            tracing.record(step, event.trace_id, began_ns, after=Step("announce", event.id), shard=shard.number)

    async def _write(
        self,
        mirror: ShardMirror,
        deliveries: Sequence[Delivery],
        seen: Cursor,
        after: Cursor,
        *,
        record: Subscription | None = None,
        is_counted: bool = True,
    ) -> int:
        """Return the number enqueued, or -1 if the cursor or the subscriptions had moved and nothing was written."""
        shard = mirror.shard
        owners = [subscription_of(one.id) for one in deliveries]
        tally_keys = [delivery_tally(shard, one.event_id) if is_counted else "" for one in deliveries]
        places, tallies = lua_places(owners), lua_places(filter(None, tally_keys))
        queue_keys = [key for one in places for key in (shard.ready(one), shard.deliveries(one))]
        shard_keys = shard.cursor, shard.version, shard.due, shard.subscriptions, shard.changes
        told = [
            (places[owner], tallies.get(tally, 0), one.id, one.to_json())
            for one, owner, tally in zip(deliveries, owners, tally_keys, strict=True)
        ]
        argument: dict[str, object] = {
            "version": mirror.version,
            "seen": cursor_fields(seen),
            "after": cursor_fields(after),
            "subscriptions": list(places),
            "deliveries": told,
            "tallies_kept_ms": self._tallies_kept_ms,
        }
        if record is not None:
            argument |= {"changed": record.id, "record": record.model_dump_json(), "changes_kept": CHANGES_REMEMBERED}
        return int(await self._fan_out([*shard_keys, *queue_keys, *tallies], argument))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
