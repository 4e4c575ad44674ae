"""
Run `clarion dev` and kill it, with its store, at the moment a named function of the item's journey is entered.

Where CLARION_REDIS_URL names another store, that one is used and lives on.
"""

import os
import signal
import sys
import types
from collections.abc import Mapping
from pathlib import Path

import uvloop

from services.dev import runner
from shared.http.server import http_server, stop_signals
from shared.runtime.logs import configure_logs
from shared.runtime.settings import Settings

_BEGINNING = "services/ingest/api/request_body.py", "json_bytes"


class _Trap:
    """Kills the process when the function is entered, once an item was sent: starting may enter it too."""

    def __init__(self, step: str) -> None:
        module, _, name = step.partition(":")
        self._step = module.replace(".", "/") + ".py", name
        self._is_armed = False

    def __call__(self, frame: types.FrameType, event: str, _: object) -> None:
        if event != "call":
            return
        self._is_armed = self._is_armed or _is_at(frame, _BEGINNING)
        if self._is_armed and _is_at(frame, self._step):
            os.kill(os.getpid(), signal.SIGKILL)


def _is_at(frame: types.FrameType, step: tuple[str, str]) -> bool:
    file, name = step
    return frame.f_code.co_qualname == name and frame.f_code.co_filename.endswith(file)


def run(data: Path, port: int, site: Path, step: str, environment: Mapping[str, str]) -> None:
    """Run until a signal or the step (`-`: none) ends this process, which says nothing."""
    os.environ.update(environment)
    with Path(os.devnull).open("r+b") as nothing:
        for stream in (0, 1, 2):
            os.dup2(nothing.fileno(), stream)
    if step != "-":
        sys.setprofile(_Trap(step))
    options = runner.DevOptions("127.0.0.1", port, data, site, empty=True)
    store = environment.get("CLARION_REDIS_URL")
    if store is None:
        sys.exit(runner.run(options))
    configure_logs("json")
    uvloop.run(_run(runner.dev_settings(options, data, store)))


async def _run(settings: Settings) -> None:
    with stop_signals() as stop:
        async with (
            runner.clarion_running(settings) as app,
            http_server(app, settings.host, settings.port, app.notify.state.stopping),
        ):
            await stop.wait()
