"""How many attempts may be under way: few quick ones, many slow ones, and no quick one waits for a slow one."""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from services.notify.model.delivery import Lease
from shared.model.ids import SubscriptionId

QUICK = 64
SLOW = 2000
# So many more are leased than have a slot: they fly while the store is asked for the next, whose answer takes some ms.
IN_HAND = QUICK
# An attempt that is older moves to the slow ones and frees its slot; sooner when others wait for it.
QUICK_SECONDS = 1.0
_QUICK_SECONDS_WHEN_FULL = 0.03

# What an endpoint has to bear at a time: until it has answered well; as a rule; and after a run of quick good answers,
# all quick slots but a few, which others always find free.
AT_FIRST = 1
PROVEN = 4
TRUSTED = 16
MOST = QUICK - QUICK // 8
# By the quick good answers in a row that each takes.
_TRUST = {1: PROVEN, 32: TRUSTED, 256: MOST}


@dataclass(eq=False)
class UnderWay:
    """An attempt in the air, or in hand and about to be."""

    lease: Lease
    leased: float
    """When the lease was asked for, by the clock."""
    leased_ms: int
    """The same by the store's clock."""
    began: float = math.nan
    task: "asyncio.Task[None] | None" = None


class AttemptSlots:
    """
    The slots of one process, and what it knows of the endpoints.

    An attempt begins quick, unless its endpoint was slow last time. It becomes slow when it is a second old (30 ms,
    while all quick slots are taken) and a slow slot is free, and leaves when it ends.
    """

    def __init__(self, clock: Callable[[], float], quick: int = QUICK, slow: int = SLOW) -> None:
        self._clock = clock
        self._quick_limit = quick
        self._slow_limit = slow
        # In the order in which they began: dictionaries keep it.
        self._quick: dict[UnderWay, None] = {}
        self._slow: dict[UnderWay, None] = {}
        self._slow_endpoints: set[SubscriptionId] = set()
        # Quick good answers in a row.
        self._good_answers: dict[SubscriptionId, int] = {}
        self._at_once: dict[SubscriptionId, int] = {}
        # Attempts in the air, quick or slow.
        self._flying: Counter[SubscriptionId] = Counter()

    @property
    def free_quick(self) -> int:
        return self._quick_limit - len(self._quick)

    @property
    def free_slow(self) -> int:
        return self._slow_limit - len(self._slow)

    @property
    def quick(self) -> int:
        """How many quick attempts are under way: soon they will have landed."""
        return len(self._quick)

    @property
    def under_way(self) -> Iterator[UnderWay]:
        yield from self._quick
        yield from self._slow

    def is_slow(self, subscription_id: SubscriptionId) -> bool:
        """Whether the endpoint was slow last time."""
        return subscription_id in self._slow_endpoints

    def remember_slow(self, subscription_id: SubscriptionId) -> None:
        """Note what another process found out, or this one before it was restarted."""
        self._slow_endpoints.add(subscription_id)

    def at_once(self, subscription_id: SubscriptionId) -> int:
        """Return how many attempts the endpoint has to bear at a time."""
        return self._at_once.get(subscription_id, AT_FIRST)

    def to_lease(self, subscription_id: SubscriptionId) -> int:
        """Return how many of the endpoint's deliveries this worker may hold: with full trust, some in hand, too."""
        at_once = self.at_once(subscription_id)
        return at_once + IN_HAND if at_once == MOST else at_once

    def may_begin(self, subscription_id: SubscriptionId) -> bool:
        """Whether there is a slot for one more attempt, and the endpoint has to bear it."""
        if self.is_slow(subscription_id):
            return True
        return self.free_quick > 0 and self._flying[subscription_id] < self.at_once(subscription_id)

    def begin(self, attempt: UnderWay) -> None:
        endpoint = attempt.lease.subscription_id
        attempt.began = self._clock()
        attempts = self._slow if self.is_slow(endpoint) else self._quick
        attempts[attempt] = None
        self._flying[endpoint] += 1

    def end(self, attempt: UnderWay, *, is_good: bool) -> None:
        endpoint = attempt.lease.subscription_id
        self._quick.pop(attempt, None)
        self._slow.pop(attempt, None)
        self._flying[endpoint] -= 1
        if not self._flying[endpoint]:
            del self._flying[endpoint]
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
        """Move what is no longer quick, the oldest first."""
        while self.next_move <= self._clock():
            oldest = next(iter(self._quick))
            age = self._clock() - oldest.began
            del self._quick[oldest]
            self._slow[oldest] = None
            if age >= QUICK_SECONDS:
                # While one attempt hangs, the endpoint's others need not take quick slots to find out.
                self._slow_endpoints.add(oldest.lease.subscription_id)
                self._lose_trust(oldest.lease.subscription_id)
