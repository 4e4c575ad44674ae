"""Run something beside a block, and make sure that it has ended when the block has; end several things at once."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self, TypeVar

from shared.server import GRACE_SECONDS

_Entered = TypeVar("_Entered")

# How long one cancellation gets to be heard before it is repeated.
_PATIENCE_SECONDS = 0.2


@contextlib.asynccontextmanager
async def in_background(work: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Run `work` while the block runs."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        await ended(task)


async def ended(task: "asyncio.Task[None]") -> None:
    """
    Cancel the task until it has ended, unless it has; raise what it failed with.

    On Python 3.11 `asyncio.wait_for`, and so redis-py's pool, may swallow a cancellation that arrives together with its
    result: one `cancel()` is not enough to end a loop.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_PATIENCE_SECONDS)
    if not task.cancelled():
        task.result()


class StoppedTogether:
    """
    Holds parts that are left at one moment: when `stopping` is set, or the block ends.

    Each gives what is in hand a grace; one after the other they would need more than the 10 s of a supervisor. What has
    not ended by then, because the store hangs, is cancelled.
    """

    def __init__(self, stopping: asyncio.Event) -> None:
        self._stopping = stopping
        self._held: list[asyncio.Task[None]] = []
        self._stopped_at = math.inf

    async def enter(self, part: AbstractAsyncContextManager[_Entered]) -> _Entered:
        """Start the part and return what it yields."""
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
        await asyncio.sleep(0)  # each notes when it was told
        left = min(GRACE_SECONDS, self._stopped_at + GRACE_SECONDS - time.monotonic())
        if self._held:
            await asyncio.wait(self._held, timeout=max(0.0, left))
        ends = await asyncio.gather(*map(ended, self._held), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException) and error is None:
                raise end
