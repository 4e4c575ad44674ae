"""What every process of the tests inherits: variables of the environment, and that Ctrl-C ends it."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from services.dev.embedded_store import find_server

MEMORY = Path("/dev/shm")
_ENOUGH_BYTES = 2 * 2**30


def set_environment() -> None:
    """Set it, at the start of a run and before anything else."""
    _choose_server(os.environ.get("CLARION_TEST_SERVER"))
    _keep_folders_in_memory()
    if "CLARION_TEST_BASE" not in os.environ:  # tests from outside may speak with a site behind TLS
        _trust_no_authority()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell has it for what runs in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _choose_server(wanted: str | None) -> None:
    """
    Put the server that runs every store first on PATH: `wheel`, or a program such as `redis-server`.

    Without a wish the tests run with the server that `clarion dev` would take.
    """
    if wanted is None:
        return
    program = find_server("") if wanted == "wheel" else Path(shutil.which(wanted) or wanted)
    os.environ["PATH"] = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    if find_server(os.environ["PATH"]) != program:
        raise pytest.UsageError(f"CLARION_TEST_SERVER: {program} is not there, is too old, or lies beside another one")


def _keep_folders_in_memory() -> None:
    """
    Let pytest make its temporary folders in memory, where there is room: a store syncs each write, 1.6 ms on a disk.

    Killed processes lose as little there as on a disk; only a machine that loses its power would lose more.
    """
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > _ENOUGH_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def _trust_no_authority() -> None:
    """Trust one authority that has signed nothing: reading those of the world takes 20 ms, each client of each test."""
    os.environ["SSL_CERT_FILE"] = str(Path(__file__).with_name("authority.pem"))
