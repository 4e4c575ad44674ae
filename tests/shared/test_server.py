"""A service's end."""

import os
import signal
import subprocess
import sys

import pytest

from tests.fakes import a_free_port

# A service that takes the given seconds to clean up.
SERVICE = """
import asyncio, contextlib, sys
from fastapi import FastAPI
from shared.server import serve

@contextlib.asynccontextmanager
async def running(settings):
    yield FastAPI()
    await asyncio.sleep(float(sys.argv[1]))

serve(running)
"""


@pytest.mark.parametrize(
    ("clean_up_seconds", "last_event"),
    [
        pytest.param("0", "service.stopped", id="at once"),
        pytest.param("3600", "service.cut_short", id="cut short", marks=pytest.mark.long),
    ],
)
def test_a_service_ends_well_and_in_time_when_it_is_told_to(clean_up_seconds: str, last_event: str) -> None:
    environment = {**os.environ, "CLARION_PORT": str(a_free_port())}
    command = [sys.executable, "-c", SERVICE, clean_up_seconds]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as service:
        assert service.stderr is not None
        started = service.stderr.readline()

        service.send_signal(signal.SIGTERM)

        last = service.stderr.read().splitlines()[-1]
    assert "service.started" in started
    assert last_event in last
    assert service.returncode == 0
