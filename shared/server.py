"""Run an ASGI application until told to stop, with signals in our own hands."""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI
from starlette.types import ASGIApp

from shared.logs import configure_logs
from shared.settings import Settings

log = structlog.get_logger()

# What is in hand when we are told to stop gets so long, before a supervisor's usual 10 s are over.
GRACE_SECONDS = 8
# The requests' grace and the work's follow one another, and a machine may be slow: the supervisor's 10 s are one.
_LATEST_EXIT_SECONDS = 9.5


class _Server(uvicorn.Server):
    """A uvicorn that leaves signals alone: its own handlers raise them again and skip our clean-up."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def http_server(app: ASGIApp, host: str, port: int, stopping: asyncio.Event | None = None) -> AsyncIterator[int]:
    """
    Serve `app` while the block runs; yields the port, which the kernel picks when `port` is 0.

    `stopping` is set before connections are drained: answers that have no end of their own, such as event streams,
    end by it.
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

    async def until_stopped() -> None:
        with stop_signals() as stop:
            async with running(settings) as app:
                stopping = getattr(app.state, "stopping", None)
                async with http_server(app, settings.host, settings.port, stopping) as port:
                    log.info("service.started", host=settings.host, port=port)
                    await stop.wait()
                    _exit_in_time()
        log.info("service.stopped")

    uvloop.run(until_stopped())


def _exit_in_time() -> None:
    """End the process when its time is over, whatever hangs: what it leaves is taken over like that of a crash."""
    timer = threading.Timer(_LATEST_EXIT_SECONDS, _cut_short)
    timer.daemon = True
    timer.start()


def _cut_short() -> None:
    log.warning("service.cut_short", after_seconds=_LATEST_EXIT_SECONDS)
    os._exit(0)


@contextlib.contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """Yield an event that SIGINT or SIGTERM sets."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
