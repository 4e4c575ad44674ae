"""How many attempts may run at a time: few quick ones, many slow ones, and no quick attempt waits for a slow one."""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.notify.model.delivery import Lease
from shared.model.ids import SubscriptionId

QUICK = 64
SLOW = 2000
# Prefetch: lease this many deliveries more than there are slots, so that slots stay busy during the next round trip (a
# few ms).
PREFETCH = QUICK
# After this time a quick attempt moves to the slow slots; while all quick slots are taken, after 30 ms.
QUICK_SECONDS = 1.0
_QUICK_SECONDS_WHEN_FULL = 0.03

# Concurrent attempts per endpoint: 1 until the first quick 2xx, then 4, 16 after 32 in a row, 56 after 256. A few quick
# slots are always left to other endpoints.
AT_FIRST = 1
PROVEN = 4
TRUSTED = 16
MOST = QUICK - QUICK // 8
_TRUST = {1: PROVEN, 32: TRUSTED, 256: MOST}

LeaseT_co = TypeVar("LeaseT_co", bound=Lease, covariant=True)


@dataclass(eq=False)
class RunningAttempt(Generic[LeaseT_co]):
    """An attempt that has a slot, or waits for one."""

    lease: LeaseT_co
    leased: float
    """When the lease was asked for, by the clock."""
    began: float = math.nan
    task: "asyncio.Task[None] | None" = None


class AttemptSlots:
    """
    The slots of one process, and what the process knows of the endpoints.

    An attempt takes a quick slot, unless its endpoint was slow last time. It moves to a slow slot when it is 1 s old
    (30 ms while all quick slots are taken) and a slow slot is free, and leaves its slot when it ends.
    """

    def __init__(self, clock: Callable[[], float], quick: int = QUICK, slow: int = SLOW) -> None:
        self._clock = clock
        self._quick_limit = quick
        self._slow_limit = slow
        # In the order in which they began: dictionaries keep it.
        self._quick: dict[RunningAttempt[Lease], None] = {}
        self._slow: dict[RunningAttempt[Lease], None] = {}
        self._slow_endpoints: set[SubscriptionId] = set()
        # Quick 2xx answers in a row.
        self._good_answers: dict[SubscriptionId, int] = {}
        self._at_once: dict[SubscriptionId, int] = {}
        # Attempts that hold a slot, quick or slow.
        self._running: Counter[SubscriptionId] = Counter()
        self.prefetched = 0
        """How many leases wait for a slot."""

    @property
    def free_quick(self) -> int:
        return self._quick_limit - len(self._quick)

    @property
    def free_slow(self) -> int:
        return self._slow_limit - len(self._slow)

    @property
    def room(self) -> int:
        """How many more quick deliveries may be leased: for the free slots, and as prefetch."""
        return self.free_quick + PREFETCH - self.prefetched

    @property
    def quick(self) -> int:
        """How many quick attempts are running."""
        return len(self._quick)

    @property
    def running(self) -> Iterator[RunningAttempt[Lease]]:
        yield from self._quick
        yield from self._slow

    def is_slow(self, endpoint: SubscriptionId) -> bool:
        """Whether the endpoint was slow last time."""
        return endpoint in self._slow_endpoints

    def remember_slow(self, endpoint: SubscriptionId) -> None:
        """Note that the endpoint was slow in another process, or in this one before its restart."""
        self._slow_endpoints.add(endpoint)

    def at_once(self, endpoint: SubscriptionId) -> int:
        """Return how many attempts the endpoint may get at a time."""
        return self._at_once.get(endpoint, AT_FIRST)

    def to_lease(self, endpoint: SubscriptionId) -> int:
        """Return how many of the endpoint's deliveries this process may lease; prefetch is for full trust only."""
        at_once = self.at_once(endpoint)
        return at_once + PREFETCH if at_once == MOST else at_once

    def may_begin(self, endpoint: SubscriptionId) -> bool:
        """Whether there is a slot for one more attempt, and the endpoint may get one more."""
        if self.is_slow(endpoint):
            return True
        return self.free_quick > 0 and self._running[endpoint] < self.at_once(endpoint)

    def begin(self, attempt: RunningAttempt[Lease]) -> None:
        endpoint = attempt.lease.endpoint
        attempt.began = self._clock()
        attempts = self._slow if self.is_slow(endpoint) else self._quick
        attempts[attempt] = None
        self._running[endpoint] += 1

    def end(self, attempt: RunningAttempt[Lease], *, is_good: bool) -> None:
        endpoint = attempt.lease.endpoint
        self._quick.pop(attempt, None)
        self._slow.pop(attempt, None)
        self._running[endpoint] -= 1
        if not self._running[endpoint]:
            del self._running[endpoint]
        is_quick = self._clock() - attempt.began < QUICK_SECONDS
        if is_quick:
            self._slow_endpoints.discard(endpoint)
        else:
            self._slow_endpoints.add(endpoint)
        if is_quick and is_good:
            good_answers = self._good_answers.get(endpoint, 0) + 1
            self._good_answers[endpoint] = good_answers
            if good_answers in _TRUST:
                self._at_once[endpoint] = _TRUST[good_answers]
        else:
            self._lose_trust(endpoint)

    def _lose_trust(self, endpoint: SubscriptionId) -> None:
        self._good_answers.pop(endpoint, None)
        self._at_once.pop(endpoint, None)

    @property
    def next_move(self) -> float:
        """When the next attempt becomes slow, by the clock."""
        if not self._quick or self.free_slow <= 0:
            return math.inf
        return next(iter(self._quick)).began + (_QUICK_SECONDS_WHEN_FULL if self.free_quick == 0 else QUICK_SECONDS)

    def move_slow(self) -> None:
        """Move attempts that are no longer quick to the slow slots, the oldest first."""
        while self.next_move <= self._clock():
            oldest = next(iter(self._quick))
            age = self._clock() - oldest.began
            del self._quick[oldest]
            self._slow[oldest] = None
            if age >= QUICK_SECONDS:
                # While one attempt hangs, the endpoint's other attempts start slow: they take no quick slots.
                self._slow_endpoints.add(oldest.lease.endpoint)
                self._lose_trust(oldest.lease.endpoint)
