"""Clarion as processes of its own, which a test may kill."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from tests.factories import ADMIN_KEY, SECRETS_KEY, a_site_file
from tests.receiver import Receiver
from tests.waiting import eventually

ROOT = Path(__file__).parent.parent.parent


def a_client(port: int) -> httpx.AsyncClient:
    """Return an upstream system's client, with the admin's key."""
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=10)


@contextlib.asynccontextmanager
async def clarion_process(
    data: Path, port: int, step: str = "-", **variables: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run all of Clarion as one process that dies at the step; over an embedded store unless a variable names one."""
    environment = {
        **os.environ,
        "CLARION_BOOTSTRAP_KEY": ADMIN_KEY,
        "CLARION_SECRETS_KEY": SECRETS_KEY,
        "CLARION_CLAIM_AFTER": "0.5",
        "CLARION_ATTEMPT_TIMEOUT": "2",
        "PYTHONPATH": str(ROOT),
        **variables,
    }
    command = [sys.executable, "-m", "tests.journeys.crashing", str(data), str(port), str(a_site_file(data)), step]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=environment, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def answers(client: httpx.AsyncClient, path: str) -> bool:
    """Whether the path can be read."""
    with contextlib.suppress(httpx.TransportError):
        return (await client.get(path)).status_code == httpx.codes.OK
    return False


async def subscribed(client: httpx.AsyncClient, receiver: Receiver) -> str:
    """Subscribe the endpoint and return the secret that it verifies with."""
    response = await client.post("/v1/subscriptions", json={"url": receiver.url})
    secret: str = response.raise_for_status().json()["secret"]
    return secret


async def until_readable(client: httpx.AsyncClient, receipt: dict[str, Any]) -> None:
    """Wait until the item's page is there and six feeds list it."""

    async def everywhere() -> bool:
        feeds = [
            await client.get(f"/en/{place}feed.{form}") for place in ("", "news/") for form in ("rss", "atom", "json")
        ]
        page = await client.get(receipt["url"])
        return page.status_code == httpx.codes.OK and all(receipt["url"] in feed.text for feed in feeds)

    await eventually(everywhere, "the page and its six feeds")
