"""Attempts that hold a slot or wait for one: each gets its end, and at a stop all get a grace."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

import structlog
from redis.exceptions import RedisError

from services.notify.delivery.concurrency import AttemptSlots, RunningAttempt
from services.notify.model.delivery import Lease
from shared.model.ids import SubscriptionId

log = structlog.get_logger()

LeaseT = TypeVar("LeaseT", bound=Lease)
SettlementT = TypeVar("SettlementT")
_LeaseT_contra = TypeVar("_LeaseT_contra", bound=Lease, contravariant=True)

# How long the store gets, after the grace, to settle what was handed back. If it does not, the leases expire.
HAND_BACK_SECONDS = 0.6
# A lease is 5 s longer than its attempt may take. A process that was frozen for longer than this must not begin: by
# then another process may have leased the delivery, and an ordered endpoint may have got later ones.
_TOO_LATE_SECONDS = 4.0


class AttemptMaker(Protocol[_LeaseT_contra, SettlementT]):
    """Makes attempts of one kind of work."""

    async def attempt(self, lease: _LeaseT_contra) -> SettlementT:
        """Try once and return what shall become of the leased work."""

    def interrupted(self, lease: _LeaseT_contra) -> SettlementT:
        """Return the settlement of an attempt that was cut off, or never began."""

    def is_good(self, settlement: SettlementT) -> bool:  # noqa: ARG002 - a default
        """Whether the endpoint did well, and may get more attempts at a time. By default it never may."""
        return False


class AttemptsInFlight(Generic[LeaseT, SettlementT]):
    """
    The attempts of one process. An endpoint that may get no more for now holds up no other endpoint.

    If `attempt` fails with an unexpected exception, nothing is collected. The lease expires, the queue counts a failed
    attempt, and retries stay bounded.
    """

    def __init__(
        self,
        slots: AttemptSlots,
        maker: AttemptMaker[LeaseT, SettlementT],
        *,
        collect: Callable[[SettlementT], None],
        on_end: Callable[[], None],
    ) -> None:
        """Give each settlement to `collect`; call `on_end` after every attempt."""
        self._slots = slots
        self._maker = maker
        self._collect = collect
        self._on_end = on_end
        self._waiting: dict[SubscriptionId, deque[RunningAttempt[LeaseT]]] = {}
        # Rings when the oldest running attempt may have to give its quick slot to a waiting one.
        self._alarm: asyncio.TimerHandle | None = None

    def begin(self, lease: LeaseT, leased: float) -> None:
        """Begin an attempt as soon as there is a slot; the lease was asked for at `leased` (monotonic)."""
        attempt = RunningAttempt(lease, leased)
        if lease.endpoint not in self._waiting and self._slots.may_begin(lease.endpoint):
            return self._begin(attempt)
        self._waiting.setdefault(lease.endpoint, deque()).append(attempt)
        self._slots.prefetched += 1
        return self._set_alarm()

    def begin_waiting(self) -> None:
        """Move attempts that are no longer quick to the slow slots, and begin those for which there is a slot now."""
        self._slots.move_slow()
        emptied = []
        for endpoint, attempts in self._waiting.items():
            while attempts and self._slots.may_begin(endpoint):
                self._slots.prefetched -= 1
                self._begin(attempts.popleft())
            if not attempts:
                emptied.append(endpoint)
            if self._slots.free_quick <= 0:
                break
        for endpoint in emptied:
            del self._waiting[endpoint]
        self._set_alarm()

    async def finish(self, ends: float, settle: Callable[[], Awaitable[None]]) -> None:
        """Wait for the running attempts and settle each as it ends; at `ends` (monotonic) cut off the rest."""
        if self._alarm is not None:
            self._alarm.cancel()
        waiting, self._waiting, self._slots.prefetched = self._waiting, {}, 0
        for attempts in waiting.values():
            for attempt in attempts:
                self._collect(self._maker.interrupted(attempt.lease))
        while (tasks := self._tasks()) and time.monotonic() < ends:
            await asyncio.wait(tasks, timeout=ends - time.monotonic(), return_when=asyncio.FIRST_COMPLETED)
            await settle()
        late = self._tasks()
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=HAND_BACK_SECONDS)
            log.info("attempts.handed_back", count=len(late))
        await settle()

    def _set_alarm(self) -> None:
        if self._alarm is None and self._waiting and self._slots.next_move < math.inf:
            seconds = max(0.0, self._slots.next_move - time.monotonic())
            self._alarm = asyncio.get_running_loop().call_later(seconds, self._on_alarm)

    def _on_alarm(self) -> None:
        self._alarm = None
        self.begin_waiting()

    def _begin(self, attempt: RunningAttempt[LeaseT]) -> None:
        self._slots.begin(attempt)
        attempt.task = asyncio.create_task(self._run(attempt))

    async def _run(self, attempt: RunningAttempt[LeaseT]) -> None:
        lease, is_good = attempt.lease, False
        try:
            if time.monotonic() - attempt.leased > _TOO_LATE_SECONDS:
                settlement = self._maker.interrupted(lease)
            else:
                settlement = await self._maker.attempt(lease)
            is_good = self._maker.is_good(settlement)
            self._collect(settlement)
        except asyncio.CancelledError:
            self._collect(self._maker.interrupted(lease))
        except (RedisError, OSError) as error:
            log.warning("attempt.handed_back", **lease.log_fields, reason=repr(error))
            self._collect(self._maker.interrupted(lease))
        except Exception:
            log.exception("attempt.broken", **lease.log_fields)
        finally:
            self._slots.end(attempt, is_good=is_good)
            if self._waiting:
                self.begin_waiting()
            self._on_end()

    def _tasks(self) -> "list[asyncio.Task[None]]":
        return [attempt.task for attempt in self._slots.running if attempt.task is not None]
