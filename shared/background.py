"""Work that goes on beside a service, and ends with it."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import structlog

log = structlog.get_logger()

_BROKEN_EXIT = 70


@contextlib.asynccontextmanager
async def background(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run the work while the block runs. A part that fails ends the process: a service must not go on half alive."""
    tasks = [asyncio.create_task(_guarded(one)) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _guarded(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception as error:
        log.critical("background.broken", work=repr(work), exit_code=_BROKEN_EXIT, exc_info=error)
        os._exit(_BROKEN_EXIT)
