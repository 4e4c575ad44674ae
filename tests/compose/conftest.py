"""What the tests from outside may ask for: the address of a running Clarion, its key, and a subscriber's endpoint."""

import os
import uuid
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.compose import engine
from tests.compose.outside import Endpoint, Outside


@pytest.fixture(scope="session")
def base_url() -> str:
    """The front door of what `docker compose up` has started."""
    base = os.environ.get("CLARION_TEST_BASE", "").rstrip("/")
    if not base:
        pytest.skip("needs what `docker compose up` starts: make test-compose BASE=http://127.0.0.1:8080")
    return base


@pytest.fixture(scope="session")
def on_this_engine(base_url: str) -> None:
    if not engine.is_running():
        pytest.skip(f"{base_url} is not run by docker compose on this machine, so its containers cannot be looked at")


@pytest.fixture(scope="session")
def key(base_url: str) -> str:
    given = os.environ.get("CLARION_BOOTSTRAP_KEY")
    if given:
        return given
    if not engine.is_running():
        pytest.fail(f"set CLARION_BOOTSTRAP_KEY to the admin key of {base_url}")
    return engine.compose("exec", "-T", "ingest", "cat", "/run/secrets/clarion_bootstrap_key").strip()


@pytest.fixture
async def outside(base_url: str, key: str) -> AsyncIterator[Outside]:
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=20) as client:
        yield Outside(client)


@pytest.fixture(scope="session")
def receiver(on_this_engine: None) -> Iterator[str]:
    """A subscriber's endpoint, which notify may call while the tests run; yields its address on this machine."""
    files = ("docker-compose.yml", engine.RECEIVER)
    scale = f"notify={len(engine.containers('notify'))}"
    engine.compose("up", "--detach", "--wait", "--no-deps", "--scale", scale, "notify", "receiver", files=files)
    try:
        yield "http://" + engine.compose("port", "receiver", "9000", files=files).strip()
    finally:
        engine.compose("up", "--detach", "--wait", "--no-deps", "--scale", scale, "notify")
        engine.compose("rm", "--stop", "--force", "receiver", files=files)
        engine.docker("network", "rm", "clarion_callbacks")


@pytest.fixture
async def endpoint(receiver: str) -> AsyncIterator[Endpoint]:
    """An endpoint of its own for each test."""
    async with httpx.AsyncClient(base_url=receiver, timeout=20) as client:
        yield Endpoint(client, f"/{uuid.uuid4().hex}")
