"""A service's end."""

import os
import signal
import subprocess
import sys

import pytest

from tests.ports import a_free_port

# A service that takes the given seconds to clean up, and as many in which its loop hears nothing.
SERVICE = """
import asyncio, contextlib, sys, time
from fastapi import FastAPI
from shared.http.server import serve

def fall_deaf(seconds):
    print("deaf", file=sys.stderr, flush=True)
    time.sleep(seconds)

@contextlib.asynccontextmanager
async def running(settings):
    asyncio.get_running_loop().call_later(1, fall_deaf, float(sys.argv[2]))
    yield FastAPI()
    await asyncio.sleep(float(sys.argv[1]))

serve(running)
"""


@pytest.mark.parametrize(
    ("clean_up_seconds", "deaf_seconds", "last_event"),
    [
        pytest.param("0", "0", "service.stopped", id="at once"),
        pytest.param("3600", "0", "service.cut_short", id="cut short", marks=pytest.mark.long),
        pytest.param("0", "3600", "service.cut_short", id="deaf", marks=pytest.mark.long),
    ],
)
def test_a_service_ends_well_and_in_time_when_it_is_told_to(
    clean_up_seconds: str, deaf_seconds: str, last_event: str
) -> None:
    environment = {**os.environ, "CLARION_PORT": str(a_free_port())}
    command = [sys.executable, "-c", SERVICE, clean_up_seconds, deaf_seconds]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as service:
        assert service.stderr is not None
        started, deaf = service.stderr.readline(), service.stderr.readline()

        service.send_signal(signal.SIGTERM)

        last = service.stderr.read().splitlines()[-1]
    assert "service.started" in started
    assert deaf == "deaf\n"
    assert last_event in last
    assert service.returncode == 0
