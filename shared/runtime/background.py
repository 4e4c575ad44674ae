"""Tasks that run beside a service and end with it."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import structlog
from redis.exceptions import RedisError

log = structlog.get_logger()

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
    task.add_done_callback(_end_process_if_failed)
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


def _end_process_if_failed(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if isinstance(error, Exception):
        log.critical("background.broken", work=repr(task.get_coro()), exit_code=_BROKEN_EXIT, exc_info=error)
        os._exit(_BROKEN_EXIT)
