"""Stop several parts of a service at the same moment; wait for an event with a limit."""

import asyncio
import math
import time
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self, TypeVar

from shared.runtime.background import GRACE_SECONDS, cancelled

_Entered = TypeVar("_Entered")


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait until the event is set, for this long at most; return whether the event is set."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


class CommonStop:
    """
    Context managers that are entered one by one and left all at once: when `stopping` is set, or the block ends.

    Each part gives its work in hand up to 8 s. One after the other they would need more than the 10 s of a supervisor.
    A part that has not ended after 8 s is cancelled.
    """

    def __init__(self, stopping: asyncio.Event) -> None:
        self._stopping = stopping
        self._held: list[asyncio.Task[None]] = []
        self._stopped_at = math.inf

    async def enter(self, part: AbstractAsyncContextManager[_Entered]) -> _Entered:
        """Enter the part and return the value that it yields."""
        entered: asyncio.Future[_Entered] = asyncio.get_running_loop().create_future()
        self._held.append(asyncio.create_task(self._hold(part, entered)))
        return await entered

    async def _hold(self, part: AbstractAsyncContextManager[_Entered], entered: "asyncio.Future[_Entered]") -> None:
        try:
            async with part as value:
                entered.set_result(value)
                await self._stopping.wait()
                self._stopped_at = min(self._stopped_at, time.monotonic())
        except BaseException as error:
            if entered.done():
                raise
            entered.set_exception(error)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopping.set()
        await asyncio.sleep(0)  # let each part note the time
        left = min(GRACE_SECONDS, self._stopped_at + GRACE_SECONDS - time.monotonic())
        if self._held:
            await asyncio.wait(self._held, timeout=max(0.0, left))
        await cancelled(*self._held)
        for task in self._held:
            if error is None and not task.cancelled():
                task.result()
