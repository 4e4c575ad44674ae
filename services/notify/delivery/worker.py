"""Work the delivery queue: lease what is due, let attempts fly, settle what came back."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import structlog
from redis.exceptions import RedisError

from services.notify.delivery.attempt import interrupted
from services.notify.delivery.attempts_in_flight import HAND_BACK_SECONDS, Flight, Flights
from services.notify.delivery.concurrency import IN_HAND, AttemptSlots, UnderWay
from services.notify.delivery.queue import DeliveryQueue, Leased, Look, ShardTurn, Turned
from services.notify.model.delivery import Delivered, Lease, Settlement
from services.notify.model.subscription import Subscription
from services.notify.subscriptions.store import ShardMirror, SubscriptionStore
from shared.model.ids import SubscriptionId
from shared.runtime.background import GRACE_SECONDS, begun, cancelled

log = structlog.get_logger()

Attempting = Callable[[Lease, Subscription], Awaitable[Settlement]]
OnFailing = Callable[[SubscriptionId, int], Awaitable[None]]
"""Is told for how long (ms) an endpoint has failed everything."""

# What another process enqueues is found so soon.
_POLL_SECONDS = 0.25
_LONGEST_BACK_OFF_SECONDS = 2.0
# While attempts are in the air, a turn waits until half of them have landed, which then share its round trip, or half
# of those in hand have begun; it costs as much CPU as some attempts. It waits no longer than the last one took, between
# these, so that few are not held up.
_GATHER_SECONDS = (0.003, 0.02)
# A lease outlasts the attempt it is for by 5 s. Whoever wakes up later than this, having been frozen, does not begin:
# the delivery may be in another hand by then, and an ordered endpoint further on.
_TOO_LATE_SECONDS = 4.0
# On a loaded machine the interpreter needs up to two seconds to end (measured at a load of 10 on two cores), and they
# come after the grace.
_GRACE = timedelta(seconds=GRACE_SECONDS - 1.5)


@dataclass
class _ShardWork:
    """What this worker knows of one shard's queue."""

    mirror: ShardMirror
    heads: dict[SubscriptionId, float] = field(default_factory=dict)
    """The endpoints to look at, by when (this process's clock)."""
    settled: list[Settlement] = field(default_factory=list)
    to_look_at: set[SubscriptionId] = field(default_factory=set)
    look_at: float = 0.0
    """When to ask again what is due, whatever else happens."""

    def land(self, settlement: Settlement) -> None:
        # The list may be another one than when the attempt began.
        self.settled.append(settlement)

    def due(self, now: float) -> list[SubscriptionId]:
        """Return the endpoints to look at, those first that have waited longest."""
        waiting = {one: None for one, moment in self.heads.items() if moment <= now}
        return list(waiting | dict.fromkeys(self.to_look_at))

    def next_moment(self, now: float) -> float:
        return min(self.look_at, *(moment for moment in self.heads.values() if moment > now), now + _POLL_SECONDS)


class DeliveryWorker:
    """
    One loop for each process. A turn settles and leases in all shards in one round trip.

    Load makes turns bigger, not more frequent: what ends while a turn is on its way is settled by the next.
    """

    def __init__(
        self,
        queue: DeliveryQueue,
        store: SubscriptionStore,
        attempt: Attempting,
        on_failing: OnFailing,
        *,
        grace: timedelta = _GRACE,
    ) -> None:
        self._queue = queue
        self._store = store
        self._attempt = attempt
        self._on_failing = on_failing
        self._grace_seconds = grace.total_seconds()
        self._slots = AttemptSlots(time.monotonic)
        self._flights: Flights[Settlement] = Flights(self._slots, _is_good, self._on_landing)
        self._shards = [_ShardWork(mirror) for mirror in store.mirrors]
        self._first = 0
        self._bell = asyncio.Event()
        # A turn is worth its while when so many more attempts have landed, or fewer than so many are left in hand.
        self._landing = self._low = 0
        self._enough = asyncio.Event()
        self._stopping = False

    def ring(self) -> None:
        """Look at every shard now: something was enqueued."""
        for work in self._shards:
            work.look_at = 0.0
        self._bell.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work while the block runs; leaving it gives what is in hand its grace and hands the rest back."""
        loop = begun(self._run())
        try:
            yield
        finally:
            ends = time.monotonic() + self._grace_seconds
            self._stopping = True
            self._bell.set()
            # A store that hangs must not take more than the grace: what the turn had is settled after it.
            await asyncio.wait([loop], timeout=self._grace_seconds)
            await cancelled(loop)
            await self._flights.finish(ends, self._settle)

    async def _run(self) -> None:
        back_off = 0.05
        while not self._stopping:
            self._bell.clear()
            began = time.monotonic()
            try:
                await self._turn()
            except (RedisError, OSError) as error:
                log.warning("deliveries.waiting", reason=repr(error), seconds=back_off)
                await asyncio.sleep(back_off)
                back_off = min(back_off * 2, _LONGEST_BACK_OFF_SECONDS)
            else:
                back_off = 0.05
                await self._gather(time.monotonic() - began)
                await self._wait()

    async def _gather(self, turn_seconds: float) -> None:
        """Let attempts land that can share a turn."""
        self._landing = -(-(self._slots.quick + self._flights.in_hand) // 2)
        self._low = self._flights.in_hand // 2
        if not self._landing:
            return
        self._enough.clear()
        least, most = _GATHER_SECONDS
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(most, max(least, turn_seconds))):
                await self._enough.wait()

    async def _wait(self) -> None:
        now = time.monotonic()
        if any(self._looks(work, now) for work in self._shards):
            return
        moment = min(self._slots.next_move, *(work.next_moment(now) for work in self._shards))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(moment - now):
                await self._bell.wait()

    async def _turn(self) -> None:
        self._flights.begin_waiting()
        turns = [(work, turn) for work in self._rotated() if (turn := self._plan(work)) is not None]
        if not turns:
            return
        asked_at = time.monotonic()
        try:
            results = await self._queue.turn([turn for _, turn in turns])
        except BaseException:
            # Not known to be heard: settled again, which the token makes harmless.
            for work, turn in turns:
                work.settled = [*turn.settlements, *work.settled]
            raise
        for (work, turn), turned in zip(turns, results, strict=True):
            await self._take(work, turn, turned, asked_at)

    def _rotated(self) -> list[_ShardWork]:
        self._first = (self._first + 1) % len(self._shards)
        return self._shards[self._first :] + self._shards[: self._first]

    def _plan(self, work: _ShardWork) -> ShardTurn | None:
        """Return what to do with the shard in this turn, if anything."""
        now = time.monotonic()
        settled, work.settled = work.settled, []
        work.to_look_at |= {one.lease.subscription_id for one in settled}
        looks = self._looks(work, now)
        if not looks and work.look_at > now:
            return ShardTurn(work.mirror.shard, settled) if settled else None
        room = self._share(self._room)
        return ShardTurn(
            work.mirror.shard,
            settled,
            looks,
            work.mirror.version,
            quick=room,
            slow=self._share(self._slots.free_slow),
            # Where many wait, each gets one after the other: several at once would want several connections each.
            each=max(1, room // max(1, len(looks))),
        )

    def _looks(self, work: _ShardWork, now: float) -> list[Look]:
        """Return the endpoints that are due and for which there is a slot."""
        # No more of them than slots: a look costs the server time even if it gives nothing.
        left = {False: self._share(self._room), True: self._share(self._slots.free_slow)}
        looks = []
        for one in work.due(now):
            subscription, is_slow = work.mirror.subscriptions.get(one), self._slots.is_slow(one)
            if subscription is not None and left[is_slow] > 0:
                left[is_slow] -= 1
                looks.append(Look(subscription, is_slow, self._slots.to_lease(one)))
        return looks

    @property
    def _room(self) -> int:
        """How many more quick deliveries may be leased: those that fly at once, and those that wait in hand."""
        return self._slots.free_quick + IN_HAND - self._flights.in_hand

    def _share(self, free: int) -> int:
        """Return what one shard may take of the free slots in this turn."""
        busy = sum(1 for work in self._shards if work.heads or work.to_look_at) or 1
        return -(-free // busy)

    async def _take(self, work: _ShardWork, turn: ShardTurn, turned: Turned, asked_at: float) -> None:
        for subscription_id, failing_ms in turned.failing_ms.items():
            if failing_ms:
                await self._on_failing(subscription_id, failing_ms)
        if turned.leased is None:
            return
        if turned.leased.is_stale:
            await self._store.refresh(work.mirror)
            return
        now = time.monotonic()
        leased = turned.leased
        work.look_at = now + _POLL_SECONDS
        # Those that were not looked at stand in the line that the store keeps.
        work.to_look_at.clear()
        work.heads = {one: now + (moment - leased.now_ms) / 1000 for one, moment in leased.heads.items()}
        self._begin_all(work, turn, leased, asked_at)

    def _begin_all(self, work: _ShardWork, turn: ShardTurn, leased: Leased, asked_at: float) -> None:
        looked_at = {look.subscription.id: look.subscription for look in turn.looks}
        for lease in leased.leases:
            under_way = UnderWay(lease, asked_at, leased.now_ms)
            subscription = looked_at[lease.subscription_id]
            attempt = partial(self._attempt_in_time, under_way, subscription)
            hand_back = partial(interrupted, lease, leased.now_ms)
            self._flights.begin(Flight(under_way, attempt, hand_back, work.land))

    async def _attempt_in_time(self, under_way: UnderWay, subscription: Subscription) -> Settlement:
        if time.monotonic() - under_way.leased > _TOO_LATE_SECONDS:
            return interrupted(under_way.lease, under_way.leased_ms)
        return await self._attempt(under_way.lease, subscription)

    def _on_landing(self) -> None:
        self._bell.set()
        self._landing -= 1
        if self._landing <= 0 or self._flights.in_hand < self._low:
            self._enough.set()

    async def _settle(self) -> None:
        # Copies: what lands while the store is told waits for the next time.
        turns = [ShardTurn(work.mirror.shard, tuple(work.settled)) for work in self._shards]
        try:
            async with asyncio.timeout(HAND_BACK_SECONDS):
                await self._queue.turn(turns)
        except (RedisError, OSError) as error:
            log.warning("deliveries.not_settled", reason=repr(error))
            return
        for work, turn in zip(self._shards, turns, strict=True):
            work.settled = work.settled[len(turn.settlements) :]


def _is_good(settlement: Settlement) -> bool:
    return isinstance(settlement.attempt.outcome, Delivered)
