"""Attempts in the air: each is seen through whatever comes of it, and at the end all get a grace to land."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog
from redis.exceptions import RedisError

from services.notify.delivery.concurrency import AttemptSlots, UnderWay
from shared.model.ids import SubscriptionId

log = structlog.get_logger()

_Settled = TypeVar("_Settled")

# After the grace, the store gets so long to hear what was handed back; leases end by themselves if it does not.
HAND_BACK_SECONDS = 0.6


@dataclass(frozen=True)
class Flight(Generic[_Settled]):
    """
    An attempt, and who is given what to settle after it.

    `land` is not called for one that broke: its lease runs out, and that counts as an attempt, so it comes to an end.
    """

    under_way: UnderWay
    attempt: Callable[[], Awaitable[_Settled]]
    hand_back: Callable[[], _Settled]
    land: Callable[[_Settled], None]


class Flights(Generic[_Settled]):
    """
    What one worker has in the air, and what waits in its hand for a slot.

    A mistake of ours costs the delivery an attempt, and no other one anything.
    """

    def __init__(
        self, slots: AttemptSlots, is_good: Callable[[_Settled], bool], on_landing: Callable[[], None]
    ) -> None:
        self._slots = slots
        self._is_good = is_good
        self._on_landing = on_landing
        # By endpoint; one that has to bear no more than flies already holds up no other.
        self._waiting: dict[SubscriptionId, deque[Flight[_Settled]]] = {}
        # When the oldest of those in the air may have to leave its quick slot to those that wait.
        self._alarm: asyncio.TimerHandle | None = None
        self.in_hand = 0
        """How many wait for a slot."""

    def begin(self, flight: Flight[_Settled]) -> None:
        """Let it fly as soon as there is a slot."""
        endpoint = flight.under_way.lease.subscription_id
        if endpoint not in self._waiting and self._slots.may_begin(endpoint):
            return self._begin(flight)
        self._waiting.setdefault(endpoint, deque()).append(flight)
        self.in_hand += 1
        return self._look_again_in_time()

    def begin_waiting(self) -> None:
        """Move what is no longer quick to the slow slots, and let those fly for which there is a slot now."""
        self._slots.move_slow()
        emptied = []
        for endpoint, flights in self._waiting.items():
            while flights and self._slots.may_begin(endpoint):
                self.in_hand -= 1
                self._begin(flights.popleft())
            if not flights:
                emptied.append(endpoint)
            if self._slots.free_quick <= 0:
                break
        for endpoint in emptied:
            del self._waiting[endpoint]
        self._look_again_in_time()

    async def finish(self, ends: float, settle: Callable[[], Awaitable[None]]) -> None:
        """Wait for what is in the air and settle it as it lands; at `ends` (monotonic) cut off the rest."""
        if self._alarm is not None:
            self._alarm.cancel()
        held, self._waiting, self.in_hand = self._waiting, {}, 0
        for flights in held.values():
            for flight in flights:
                flight.land(flight.hand_back())
        while (tasks := self._in_the_air()) and time.monotonic() < ends:
            await asyncio.wait(tasks, timeout=ends - time.monotonic(), return_when=asyncio.FIRST_COMPLETED)
            await settle()
        late = self._in_the_air()
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=HAND_BACK_SECONDS)
            log.info("attempts.handed_back", count=len(late))
        await settle()

    def _look_again_in_time(self) -> None:
        if self._alarm is None and self._waiting and self._slots.next_move < math.inf:
            seconds = max(0.0, self._slots.next_move - time.monotonic())
            self._alarm = asyncio.get_running_loop().call_later(seconds, self._on_alarm)

    def _on_alarm(self) -> None:
        self._alarm = None
        self.begin_waiting()

    def _begin(self, flight: Flight[_Settled]) -> None:
        self._slots.begin(flight.under_way)
        flight.under_way.task = asyncio.create_task(self._fly(flight))

    async def _fly(self, flight: Flight[_Settled]) -> None:
        under_way, is_good = flight.under_way, False
        try:
            settled = await flight.attempt()
            is_good = self._is_good(settled)
            flight.land(settled)
        except asyncio.CancelledError:
            flight.land(flight.hand_back())
        except (RedisError, OSError) as error:
            log.warning("attempt.handed_back", delivery_id=under_way.lease.delivery.id, reason=repr(error))
            flight.land(flight.hand_back())
        except Exception:
            log.exception("attempt.broken", delivery_id=under_way.lease.delivery.id)
        finally:
            self._slots.end(under_way, is_good=is_good)
            if self._waiting:
                self.begin_waiting()
            self._on_landing()

    def _in_the_air(self) -> "list[asyncio.Task[None]]":
        return [one.task for one in self._slots.under_way if one.task is not None]
