"""Runs an ASGI application until a signal stops it. Clarion handles the signals itself."""

import asyncio
import contextlib
import gc
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI
from starlette.types import ASGIApp

from shared.runtime.background import GRACE_SECONDS
from shared.runtime.logs import configure_logs
from shared.runtime.settings import Settings
from shared.runtime.tracing import exporting

log = structlog.get_logger()

# Supervisors kill after 10 s. Within them the requests get their grace, and after the requests the work in hand.
_LATEST_EXIT_SECONDS = 9


class _Server(uvicorn.Server):
    """A uvicorn that leaves signals alone: its own handlers raise the signal again and skip our clean-up."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def http_server(app: ASGIApp, host: str, port: int, stopping: asyncio.Event | None = None) -> AsyncIterator[int]:
    """
    Serve `app` while the block runs, and yield the port, which the kernel picks when `port` is 0.

    `stopping` is set before connections are drained: it ends the answers that never end by themselves (event streams).
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        if task.done():
            await task
            raise OSError(f"cannot listen on {host}:{port}")
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        if stopping is not None:
            stopping.set()
        server.should_exit = True
        await task


def serve(running: Callable[[Settings], AbstractAsyncContextManager[FastAPI]]) -> None:
    """Run one service by its `CLARION_*` settings until SIGINT or SIGTERM, then return."""
    settings = Settings()
    configure_logs(settings.log_format)
    told = _exit_in_time()
    collect_garbage_seldom()

    async def until_stopped() -> None:
        with stop_signals(told.set) as stop:
            async with running(settings) as app:
                stopping = getattr(app.state, "stopping", None)
                async with http_server(app, settings.host, settings.port, stopping) as port:
                    log.info("service.started", host=settings.host, port=port)
                    await stop.wait()
        log.info("service.stopped")

    with exporting(f"clarion-{running.__module__.removesuffix('.app').rpartition('.')[2]}"):
        uvloop.run(until_stopped())


def collect_garbage_seldom() -> None:
    """
    Collect garbage after 20,000 new objects instead of 700, and never among imported modules.

    Measured on deliveries with hundreds of open attempts: saves a sixth of the CPU time, and costs a few MB.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


def _exit_in_time() -> threading.Event:
    """
    Return an event. The process ends 9 s after the event is set, whatever hangs.

    All phases of a stop share the 9 s; a start that is not over yet has them too. Work that is cut short is taken over
    by another replica, as after a crash. The thread is started beforehand: a signal handler must not start a thread.
    """
    told = threading.Event()

    def end_in_time() -> None:
        told.wait()
        time.sleep(_LATEST_EXIT_SECONDS)
        log.warning("service.cut_short", after_seconds=_LATEST_EXIT_SECONDS)
        os._exit(0)

    threading.Thread(target=end_in_time, name="end", daemon=True).start()
    return told


@contextlib.contextmanager
def stop_signals(on_signal: Callable[[], object] = lambda: None) -> Iterator[asyncio.Event]:
    """Yield an event that SIGINT or SIGTERM sets; `on_signal` is called at once, also while the loop is busy."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def told(*_: object) -> None:
        on_signal()
        loop.call_soon_threadsafe(stop.set)

    before = {number: signal.signal(number, told) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
