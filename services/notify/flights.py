"""Attempts in the air: each is seen through whatever comes of it, and at the end all get a grace to land."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog
from redis.exceptions import RedisError

from services.notify.attempt_slots import AttemptSlots, UnderWay

log = structlog.get_logger()

_Settled = TypeVar("_Settled")

# After the grace, the store gets so long to hear what was handed back; leases end by themselves if it does not.
HAND_BACK_SECONDS = 0.6


class Flights(Generic[_Settled]):
    """What one worker has in the air. A mistake of ours costs the delivery an attempt, and no other one anything."""

    def __init__(
        self, slots: AttemptSlots, is_good: Callable[[_Settled], bool], on_landing: Callable[[], None]
    ) -> None:
        self._slots = slots
        self._is_good = is_good
        self._on_landing = on_landing

    def begin(
        self,
        under_way: UnderWay,
        attempt: Callable[[], Awaitable[_Settled]],
        hand_back: Callable[[], _Settled],
        land: Callable[[_Settled], None],
    ) -> None:
        """Let the attempt fly. `land` is given what to settle, unless the attempt broke: then its lease runs out."""
        self._slots.begin(under_way)
        under_way.task = asyncio.create_task(self._fly(under_way, attempt, hand_back, land))

    async def finish(self, ends: float, settle: Callable[[], Awaitable[None]]) -> None:
        """Wait for what is in the air and settle it as it lands; at `ends` (monotonic) cut off the rest."""
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

    async def _fly(
        self,
        under_way: UnderWay,
        attempt: Callable[[], Awaitable[_Settled]],
        hand_back: Callable[[], _Settled],
        land: Callable[[_Settled], None],
    ) -> None:
        is_good = False
        try:
            settled = await attempt()
            is_good = self._is_good(settled)
            land(settled)
        except asyncio.CancelledError:
            land(hand_back())
        except (RedisError, OSError) as error:
            log.warning("attempt.handed_back", delivery_id=under_way.lease.delivery.id, reason=repr(error))
            land(hand_back())
        except Exception:
            # Its lease runs out, and that counts as an attempt: so it comes to an end.
            log.exception("attempt.broken", delivery_id=under_way.lease.delivery.id)
        finally:
            self._slots.end(under_way, is_good=is_good)
            self._on_landing()

    def _in_the_air(self) -> "list[asyncio.Task[None]]":
        return [one.task for one in self._slots.under_way if one.task is not None]
