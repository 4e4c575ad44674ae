"""Work that goes on beside a service, and ends with it."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import structlog
from redis.exceptions import RedisError

log = structlog.get_logger()

# What is in hand when we are told to stop gets so long, before a supervisor's usual 10 s are over.
GRACE_SECONDS = 8
_BROKEN_EXIT = 70
_CANCEL_AGAIN_SECONDS = 0.2


@contextlib.asynccontextmanager
async def background(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run the work while the block runs. A part that fails ends the process: a service must not go on half alive."""
    tasks = [begun(one) for one in work]
    try:
        yield
    finally:
        await cancelled(*tasks)


def begun(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Return the work as a task that somebody else ends; if it fails, the process does."""
    # Not a coroutine around it: one that is cancelled before its first step would never begin the work, nor close it.
    task = asyncio.create_task(work)
    task.add_done_callback(_end_process_if_failed)
    return task


async def repeated(step: Callable[[], Awaitable[object]], every_seconds: float, complaint: str) -> None:
    """Take the step now and ever again, until cancelled. While the store is away, `complaint` is logged each time."""
    while True:
        try:
            await step()
        except (RedisError, OSError) as error:
            log.warning(complaint, reason=repr(error), seconds=every_seconds)
        await asyncio.sleep(every_seconds)


async def cancelled(*tasks: asyncio.Task[Any]) -> None:
    """
    Cancel the tasks and return once they have ended.

    Once is not enough: until Python 3.12, `asyncio.wait_for` (redis-py sends every command in one) loses a
    cancellation that comes in the moment its work is done, and the task goes on for ever.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN_SECONDS)


def _end_process_if_failed(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if isinstance(error, Exception):
        log.critical("background.broken", work=repr(task.get_coro()), exit_code=_BROKEN_EXIT, exc_info=error)
        os._exit(_BROKEN_EXIT)
