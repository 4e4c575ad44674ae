"""How many attempts may be under way: few quick ones, many slow ones, and no quick one waits for a slow one."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from services.notify.deliveries import Lease
from shared.ids import SubscriptionId

QUICK = 64
SLOW = 2000
# An attempt that is older moves to the slow ones and frees its slot.
QUICK_SECONDS = 1.0


@dataclass(eq=False)
class UnderWay:
    """An attempt in the air."""

    lease: Lease
    began: float
    began_ms: int
    task: "asyncio.Task[None] | None" = None


class AttemptSlots:
    """
    The slots of one process.

    An attempt begins quick, unless its endpoint was slow or failed last time. It becomes slow when it is a second old
    and a slow slot is free, and leaves when it ends.
    """

    def __init__(self, clock: Callable[[], float], quick: int = QUICK, slow: int = SLOW) -> None:
        self._clock = clock
        self._quick_limit = quick
        self._slow_limit = slow
        # In the order in which they began: dictionaries keep it.
        self._quick: dict[UnderWay, None] = {}
        self._slow: dict[UnderWay, None] = {}
        self._slow_endpoints: set[SubscriptionId] = set()

    @property
    def free_quick(self) -> int:
        return self._quick_limit - len(self._quick)

    @property
    def free_slow(self) -> int:
        return self._slow_limit - len(self._slow)

    @property
    def under_way(self) -> Iterator[UnderWay]:
        yield from self._quick
        yield from self._slow

    def is_slow(self, subscription_id: SubscriptionId) -> bool:
        """Whether the endpoint was slow or failed last time."""
        return subscription_id in self._slow_endpoints

    def begin(self, attempt: UnderWay) -> None:
        attempts = self._slow if self.is_slow(attempt.lease.subscription_id) else self._quick
        attempts[attempt] = None

    def end(self, attempt: UnderWay, *, is_good: bool) -> None:
        self._quick.pop(attempt, None)
        self._slow.pop(attempt, None)
        if is_good and self._clock() - attempt.began < QUICK_SECONDS:
            self._slow_endpoints.discard(attempt.lease.subscription_id)
        else:
            self._slow_endpoints.add(attempt.lease.subscription_id)

    def move_slow(self) -> None:
        """Move what is no longer quick, the oldest first."""
        latest = self._clock() - QUICK_SECONDS
        while self._quick and self.free_slow > 0:
            oldest = next(iter(self._quick))
            if oldest.began > latest:
                return
            del self._quick[oldest]
            self._slow[oldest] = None
            # While one attempt hangs, the endpoint's others need not take quick slots to find out.
            self._slow_endpoints.add(oldest.lease.subscription_id)
