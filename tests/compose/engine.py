"""The engine under test: `docker compose` as an operator calls it, and processes as the host sees them."""

import json
import os
import signal
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RECEIVER = "tests/compose/receiver.yml"


@dataclass(frozen=True)
class Container:
    """A container as the engine describes it at one moment."""

    id: str
    service: str
    pid: int
    status: str
    health: str
    restarts: int


def compose(*arguments: str, files: tuple[str, ...] = ("docker-compose.yml",)) -> str:
    """Run `docker compose` on the project and return what it printed; raise AssertionError if it fails."""
    named = [part for file in files for part in ("--file", file)]
    done = subprocess.run(
        ["docker", "compose", *named, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"docker compose {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout


def containers(service: str) -> list[Container]:
    """Return the service's containers, in the order of their names."""
    ids = compose("ps", "--all", "--quiet", service).split()
    found = json.loads(docker("inspect", *ids)) if ids else []
    return [_container(service, one) for one in sorted(found, key=lambda one: str(one["Name"]))]


def is_running() -> bool:
    """Whether the project runs on an engine of this machine."""
    try:
        return bool(containers("ingest"))
    except (AssertionError, OSError):
        return False


def crash(container: Container) -> None:
    """Kill the container's first process from the host: to the engine, an accident that it mends by itself."""
    os.kill(container.pid, signal.SIGKILL)


def stop(container: Container) -> tuple[int, float]:
    """Send SIGTERM and return the exit code and the seconds until the end, as the engine saw it."""
    told = datetime.now(UTC)
    docker("stop", "-t", "30", container.id)
    state = json.loads(docker("inspect", container.id))[0]["State"]
    # Nanoseconds, of which Python reads six digits.
    ended = datetime.fromisoformat(state["FinishedAt"][:26] + "+00:00")
    return state["ExitCode"], (ended - told).total_seconds()


def upgrade() -> None:
    """Replace every service's containers as the runbook says."""
    # The new notify must be let through to the receiver, like the old one.
    laid_over = {**os.environ, "COMPOSE_FILE": f"docker-compose.yml{os.pathsep}{RECEIVER}"}
    command = ["deploy/upgrade.sh"]
    done = subprocess.run(command, cwd=ROOT, env=laid_over, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def last_words(container: Container) -> str:
    """Return the end of the container's log."""
    done = subprocess.run(["docker", "logs", "--tail", "5", container.id], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def _container(service: str, found: dict[str, Any]) -> Container:  # Any: the engine's own shape
    state = found["State"]
    return Container(
        id=found["Id"],
        service=service,
        pid=state["Pid"],
        status=state["Status"],
        health=state.get("Health", {}).get("Status", ""),
        restarts=found["RestartCount"],
    )
