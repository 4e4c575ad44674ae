"""Tasks that run beside a service and end with it; parts that stop at the same moment."""

import asyncio
import contextlib
import math
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Self, TypeVar

import structlog
from redis.exceptions import RedisError

log = structlog.get_logger()

_Entered = TypeVar("_Entered")

# Work in hand may take this long after the signal to stop. Supervisors usually kill after 10 s.
GRACE_SECONDS = 8
_BROKEN_EXIT = 70
_CANCEL_AGAIN_SECONDS = 0.2


@contextlib.asynccontextmanager
async def background(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run the tasks while the block runs. If one fails, the process ends: a service must not go on without it."""
    tasks = [begun(one) for one in work]
    try:
        yield
    finally:
        await cancelled(*tasks)


def begun(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Start a task that the caller ends. If it fails, the process ends."""
    # No coroutine around it: cancelled before its first step, that would neither start nor close the inner one.
    task = asyncio.create_task(work)
    task.add_done_callback(end_process_if_failed)
    return task


async def repeated(step: Callable[[], Awaitable[object]], every_seconds: float, complaint: str, **context: str) -> None:
    """Call `step` again and again, until cancelled. A step that cannot reach the store is logged as `complaint`."""
    while True:
        try:
            await step()
        except (RedisError, OSError) as error:
            log.warning(complaint, reason=repr(error), seconds=every_seconds, **context)
        await asyncio.sleep(every_seconds)


async def cancelled(*tasks: asyncio.Task[Any]) -> None:
    """
    Cancel the tasks and return when they have ended.

    They are cancelled again every 0.2 s. Until Python 3.12 `asyncio.wait_for`, in which redis-py sends every command,
    loses a cancellation that arrives in the moment when its work is done.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN_SECONDS)


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


def end_process_if_failed(task: asyncio.Task[None]) -> None:
    """End the process if the task failed: a service must not go on without it."""
    error = None if task.cancelled() else task.exception()
    if isinstance(error, Exception):
        log.critical("background.broken", work=repr(task.get_coro()), exit_code=_BROKEN_EXIT, exc_info=error)
        os._exit(_BROKEN_EXIT)
