"""The loop of every lease queue: settle what has ended, lease what is due, begin attempts."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Generic, Protocol, TypeVar

import structlog
from redis.exceptions import RedisError

from services.notify.delivery.attempts_in_flight import (
    HAND_BACK_SECONDS,
    AttemptMaker,
    AttemptsInFlight,
    LeaseT,
    SettlementT,
)
from services.notify.delivery.concurrency import AttemptSlots, LeaseT_co
from shared.runtime.background import GRACE_SECONDS, begun, cancelled

log = structlog.get_logger()

# Work that another process makes due is found within this time.
POLL_SECONDS = 0.25
_FIRST_BACK_OFF_SECONDS = 0.05
_LONGEST_BACK_OFF_SECONDS = 2.0
# Coalesce settlements: after a turn, wait until half of the running attempts have ended, or half of the prefetched ones
# have begun, so that they share one round trip, which costs as much CPU as a few attempts. The wait is as long as the
# last turn took, between 3 and 20 ms, so that few attempts are not held up.
_GATHER_SECONDS = (0.003, 0.02)
# On a loaded machine the interpreter needs up to 2 s to exit (measured at a load of 10 on two cores), after the grace.
_GRACE = timedelta(seconds=GRACE_SECONDS - 1.5)

_SettlementT_contra = TypeVar("_SettlementT_contra", contravariant=True)


class LeaseSource(Protocol[LeaseT_co, _SettlementT_contra]):
    """A queue that work is leased from."""

    async def turn(self, settlements: Sequence[_SettlementT_contra], slots: AttemptSlots) -> Sequence[LeaseT_co]:
        """
        Settle, and lease what is due as far as there are slots, in one round trip.

        Raises RedisError; the same settlements are then given again, which their tokens make harmless.
        """

    async def settle(self, settlements: Sequence[_SettlementT_contra]) -> None:
        """Settle, and lease nothing. Raises RedisError."""

    def next_turn(self, now: float, slots: AttemptSlots) -> float:
        """Return when there is something to lease (monotonic); `now` if there is."""

    def ring(self) -> None:
        """Note that work was made due."""


class LeaseLoop(Generic[LeaseT, SettlementT]):
    """
    One loop for each kind of work in each process.

    Load makes turns bigger, not more frequent: what ends while a turn is on its way is settled by the next turn.
    """

    def __init__(
        self,
        name: str,
        source: LeaseSource[LeaseT, SettlementT],
        maker: AttemptMaker[LeaseT, SettlementT],
        *,
        grace: timedelta = _GRACE,
    ) -> None:
        """`name` is what log lines call the work."""
        self._name = name
        self._source = source
        self._grace_seconds = grace.total_seconds()
        self._slots = AttemptSlots(time.monotonic)
        self._settlements: list[SettlementT] = []
        self._attempts = AttemptsInFlight(self._slots, maker, collect=self._collect, on_end=self._on_end)
        self._bell = asyncio.Event()
        # A turn is due when this many more attempts have ended, or fewer than so many prefetched ones are left.
        self._to_end = self._low = 0
        self._gathered = asyncio.Event()
        self._stopping = False

    def ring(self) -> None:
        """Take a turn now: something was made due."""
        self._source.ring()
        self._bell.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work while the block runs. At its end running attempts get their grace, and the rest is handed back."""
        loop = begun(self._run())
        try:
            yield
        finally:
            ends = time.monotonic() + self._grace_seconds
            self._stopping = True
            self._bell.set()
            # A store that hangs must not take more than the grace; what its turn had is settled below.
            await asyncio.wait([loop], timeout=self._grace_seconds)
            await cancelled(loop)
            await self._attempts.finish(ends, self._settle)

    async def _run(self) -> None:
        back_off = _FIRST_BACK_OFF_SECONDS
        while not self._stopping:
            self._bell.clear()
            began = time.monotonic()
            try:
                await self._turn()
            except (RedisError, OSError) as error:
                log.warning("leases.waiting", work=self._name, reason=repr(error), seconds=back_off)
                await asyncio.sleep(back_off)
                back_off = min(back_off * 2, _LONGEST_BACK_OFF_SECONDS)
            else:
                back_off = _FIRST_BACK_OFF_SECONDS
                await self._gather(time.monotonic() - began)
                await self._wait()

    async def _turn(self) -> None:
        self._attempts.begin_waiting()
        settlements, self._settlements = self._settlements, []
        asked_at = time.monotonic()
        try:
            leases = await self._source.turn(settlements, self._slots)
        except BaseException:
            self._settlements = [*settlements, *self._settlements]
            raise
        for lease in leases:
            self._attempts.begin(lease, asked_at)

    async def _gather(self, turn_seconds: float) -> None:
        """Wait for attempts that can share the next turn."""
        self._to_end = -(-(self._slots.quick + self._slots.prefetched) // 2)
        self._low = self._slots.prefetched // 2
        if not self._to_end:
            return
        self._gathered.clear()
        least, most = _GATHER_SECONDS
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(most, max(least, turn_seconds))):
                await self._gathered.wait()

    async def _wait(self) -> None:
        now = time.monotonic()
        moment = min(self._slots.next_move, self._source.next_turn(now, self._slots), now + POLL_SECONDS)
        if moment > now:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(moment - now):
                    await self._bell.wait()

    def _collect(self, settlement: SettlementT) -> None:
        # Not a bound `append`: each turn begins a new list.
        self._settlements.append(settlement)

    def _on_end(self) -> None:
        self._bell.set()
        self._to_end -= 1
        if self._to_end <= 0 or self._slots.prefetched < self._low:
            self._gathered.set()

    async def _settle(self) -> None:
        # A copy: attempts that end meanwhile wait for the next call.
        settlements = tuple(self._settlements)
        try:
            async with asyncio.timeout(HAND_BACK_SECONDS):
                await self._source.settle(settlements)
        except (RedisError, OSError) as error:
            log.warning("leases.not_settled", work=self._name, reason=repr(error))
            return
        self._settlements = self._settlements[len(settlements) :]
