"""Deliveries as work for the lease loop: which endpoints of which shards to lease from, and when."""

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from services.notify.delivery.concurrency import AttemptSlots
from services.notify.delivery.lease_loop import POLL_SECONDS
from services.notify.delivery.queue import DeliveryQueue, EndpointQuery, ShardTurn, TurnResult
from services.notify.model.delivery import DeliveryLease, Settlement
from services.notify.subscriptions.store import ShardMirror, SubscriptionStore
from shared.model.ids import SubscriptionId

OnFailing = Callable[[SubscriptionId, int], Awaitable[None]]
"""Is told for how long (ms) an endpoint has failed everything."""


@dataclass
class _ShardState:
    """What this process knows of one shard's queue."""

    mirror: ShardMirror
    is_stale: bool = False
    heads: dict[SubscriptionId, float] = field(default_factory=dict)
    """The endpoints that are due next, with the moment (monotonic) when they are."""
    settled: set[SubscriptionId] = field(default_factory=set)
    """The endpoints whose deliveries were settled since the last lease: they may get more."""
    ask_at: float = 0.0
    """When to ask again what is due, whatever else happens."""

    def due(self, now: float) -> Sequence[SubscriptionId]:
        """Return the endpoints that are due, those first that have waited longest."""
        waiting = {one: None for one, moment in self.heads.items() if moment <= now}
        return list(waiting | dict.fromkeys(self.settled))

    def next_moment(self, now: float) -> float:
        return min(self.ask_at, *(moment for moment in self.heads.values() if moment > now), now + POLL_SECONDS)


class DueDeliveries:
    """The deliveries of all shards. A turn settles and leases in all of them in one round trip."""

    def __init__(self, queue: DeliveryQueue, store: SubscriptionStore, on_failing: OnFailing) -> None:
        self._queue = queue
        self._store = store
        self._on_failing = on_failing
        self._shards = [_ShardState(mirror) for mirror in store.mirrors]
        self._first = 0
        self._failing_ms: dict[SubscriptionId, int] = {}

    def ring(self) -> None:
        """Ask every shard in the next turn."""
        for state in self._shards:
            state.ask_at = 0.0

    def next_turn(self, now: float, slots: AttemptSlots) -> float:
        """Return when an endpoint with a free slot is due, or a shard is to be asked (monotonic)."""
        if any(True for state in self._shards for _ in self._queries(state, now, slots)):
            return now
        return min(state.next_moment(now) for state in self._shards)

    async def turn(self, settlements: Sequence[Settlement], slots: AttemptSlots) -> Sequence[DeliveryLease]:
        """Settle and lease in the shards where there is something to do. Raises RedisError."""
        await self._see_to_last_turn()
        settled = self._by_shard(settlements)
        turns = [(state, turn) for state in self._rotated() if (turn := self._plan(state, settled, slots)) is not None]
        results = await self._queue.turn([turn for _, turn in turns]) if turns else []
        for (state, _), result in zip(turns, results, strict=True):
            self._note(state, result)
        return [lease for result in results for lease in result.leases]

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Settle only. Raises RedisError."""
        settled = self._by_shard(settlements)
        await self._queue.turn([ShardTurn(self._shards[number].mirror.shard, some) for number, some in settled.items()])

    async def _see_to_last_turn(self) -> None:
        # Before anything is leased: an exception would lose the leases until they expire.
        for state in self._shards:
            if state.is_stale:
                await self._store.refresh(state.mirror)
                state.is_stale = False
        while self._failing_ms:
            await self._on_failing(*self._failing_ms.popitem())

    def _by_shard(self, settlements: Sequence[Settlement]) -> dict[int, list[Settlement]]:
        settled: dict[int, list[Settlement]] = {}
        for one in settlements:
            number = one.lease.shard.number
            settled.setdefault(number, []).append(one)
            self._shards[number].settled.add(one.lease.endpoint)
        return settled

    def _rotated(self) -> Sequence[_ShardState]:
        self._first = (self._first + 1) % len(self._shards)
        return self._shards[self._first :] + self._shards[: self._first]

    def _plan(self, state: _ShardState, settled: dict[int, list[Settlement]], slots: AttemptSlots) -> ShardTurn | None:
        """Return what to do with the shard in this turn, if anything."""
        shard, now = state.mirror.shard, time.monotonic()
        settlements = settled.get(shard.number, ())
        queries = list(self._queries(state, now, slots))
        if not queries and state.ask_at > now:
            return ShardTurn(shard, settlements) if settlements else None
        room = self._share(slots.room)
        return ShardTurn(
            shard,
            settlements,
            queries,
            state.mirror.version,
            quick=room,
            slow=self._share(slots.free_slow),
            # Where many endpoints wait, each gets one delivery after the other: several at once would need several
            # connections each.
            each=max(1, room // max(1, len(queries))),
        )

    def _queries(self, state: _ShardState, now: float, slots: AttemptSlots) -> Iterator[EndpointQuery]:
        """Yield the endpoints that are due, no more than slots: a query costs the server time even if it gives none."""
        left = {False: self._share(slots.room), True: self._share(slots.free_slow)}
        for one in state.due(now):
            subscription, is_slow = state.mirror.subscriptions.get(one), slots.is_slow(one)
            if subscription is not None and left[is_slow] > 0:
                left[is_slow] -= 1
                yield EndpointQuery(subscription, is_slow, slots.to_lease(one))

    def _share(self, free: int) -> int:
        """Return how many of the free slots one shard may use in this turn."""
        busy = sum(1 for state in self._shards if state.heads or state.settled) or 1
        return -(-free // busy)

    def _note(self, state: _ShardState, result: TurnResult) -> None:
        self._failing_ms |= {one: failing_ms for one, failing_ms in result.failing_ms.items() if failing_ms}
        state.is_stale = result.is_stale
        if result.leased_ms <= 0:
            return
        now = time.monotonic()
        state.ask_at = now + POLL_SECONDS
        # Endpoints that no query was made for are among the heads as soon as it is their turn.
        state.settled.clear()
        state.heads = {one: now + (moment - result.leased_ms) / 1000 for one, moment in result.heads.items()}
