"""Take what is due, let attempts fly, settle what came back: the loop behind WebSub's two kinds of work."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Generic, Protocol, TypeVar

import structlog
from redis.exceptions import RedisError

from services.notify.delivery.attempts_in_flight import HAND_BACK_SECONDS, Flight, Flights
from services.notify.delivery.concurrency import AttemptSlots, UnderWay
from services.notify.model.delivery import Lease
from shared.runtime.background import GRACE_SECONDS, begun

log = structlog.get_logger()

# What another process makes due is found so soon.
_POLL_SECONDS = 0.25
_FIRST_BACK_OFF_SECONDS = 0.05
_LONGEST_BACK_OFF_SECONDS = 2.0


class _InHand(Protocol):
    @property
    def lease(self) -> Lease: ...

    @property
    def is_slow(self) -> bool: ...


_Taken = TypeVar("_Taken", bound=_InHand)
_Settled = TypeVar("_Settled")


@dataclass(frozen=True)
class Taken(Generic[_Taken]):
    """What a turn gave, and in how many seconds there is more."""

    leases: Sequence[_Taken]
    next_in: float | None


@dataclass(frozen=True)
class Work(Generic[_Taken, _Settled]):
    """What the loop does: take and settle, try, and what to settle when a try is cut off."""

    turn: Callable[[Sequence[_Settled], int, int], Awaitable[Taken[_Taken]]]
    attempt: Callable[[_Taken], Awaitable[_Settled]]
    hand_back: Callable[[_Taken], _Settled]


class LeaseLoop(Generic[_Taken, _Settled]):
    """One loop in each process. Load makes turns bigger: what ends while one is on its way is settled by the next."""

    def __init__(
        self,
        work: Work[_Taken, _Settled],
        *,
        slots: AttemptSlots | None = None,
        grace: timedelta = timedelta(seconds=GRACE_SECONDS),
    ) -> None:
        self._work = work
        self._slots = slots or AttemptSlots(time.monotonic)
        self._grace_seconds = grace.total_seconds()
        self._settled: list[_Settled] = []
        self._bell = asyncio.Event()
        # No trust is earned here: a subscriber has one attempt in the air at most.
        self._flights: Flights[_Settled] = Flights(self._slots, lambda _: False, self._bell.set)
        self._next = 0.0
        self._stopping = False

    def ring(self) -> None:
        """Look now: something was made due."""
        self._next = 0.0
        self._bell.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work while the block runs; leaving it gives what is in hand its grace and hands the rest back."""
        loop = begun(self._run())
        try:
            yield
        finally:
            self._stopping = True
            self._bell.set()
            await loop
            await self._flights.finish(time.monotonic() + self._grace_seconds, self._settle)

    async def _run(self) -> None:
        back_off = _FIRST_BACK_OFF_SECONDS
        while not self._stopping:
            self._bell.clear()
            try:
                await self._turn()
            except (RedisError, OSError) as error:
                log.warning("feeds.waiting", reason=repr(error), seconds=back_off)
                await asyncio.sleep(back_off)
                back_off = min(back_off * 2, _LONGEST_BACK_OFF_SECONDS)
            else:
                back_off = _FIRST_BACK_OFF_SECONDS
                await self._wait()

    async def _wait(self) -> None:
        # Without a free slot there is nothing to take: an attempt that ends rings, one that is slow makes room.
        moment = min(self._slots.next_move, self._next if self._slots.free_quick > 0 else math.inf)
        if moment == math.inf:
            moment = time.monotonic() + _POLL_SECONDS
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + moment - time.monotonic()):
                await self._bell.wait()

    async def _turn(self) -> None:
        self._flights.begin_waiting()
        settled, self._settled = self._settled, []
        is_due = self._next <= time.monotonic() and self._slots.free_quick > 0
        if not settled and not is_due:
            return
        try:
            taken = await self._work.turn(settled, self._slots.free_quick if is_due else 0, self._slots.free_slow)
        except BaseException:
            # Not known to be heard: settled again, which the tokens make harmless.
            self._settled = [*settled, *self._settled]
            raise
        if is_due:
            now = time.monotonic()
            self._next = now + min(_POLL_SECONDS, taken.next_in if taken.next_in is not None else _POLL_SECONDS)
        for one in taken.leases:
            self._begin(one)

    def _begin(self, taken: _Taken) -> None:
        if taken.is_slow:
            self._slots.remember_slow(taken.lease.subscription_id)
        under_way = UnderWay(taken.lease, time.monotonic(), int(time.time() * 1000))
        attempt, hand_back = partial(self._work.attempt, taken), partial(self._work.hand_back, taken)
        self._flights.begin(Flight(under_way, attempt, hand_back, self._land))

    def _land(self, settled: _Settled) -> None:
        # The list may be another one than when the attempt began.
        self._settled.append(settled)

    async def _settle(self) -> None:
        settled = self._settled
        try:
            async with asyncio.timeout(HAND_BACK_SECONDS):
                await self._work.turn(settled, 0, 0)
        except (RedisError, OSError) as error:
            log.warning("feeds.not_settled", reason=repr(error))
            return
        self._settled = self._settled[len(settled) :]
