"""Clarion as processes of its own, which a test may kill."""

import asyncio
import contextlib
import multiprocessing
from collections.abc import AsyncIterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import httpx

from tests.factories import ADMIN_KEY, SECRETS_KEY, a_site_file
from tests.journeys import crashing
from tests.receiver import Receiver
from tests.waiting import eventually

ROOT = Path(__file__).parent.parent.parent

# A new Python takes more than a second to import Clarion. The fork server imports it once and forks each process.
multiprocessing.set_forkserver_preload([crashing.__name__])


def a_client(port: int) -> httpx.AsyncClient:
    """Return an upstream system's client, with the admin's key."""
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=10)


class Process:
    """A process that may be stopped, or that kills itself."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process

    def terminate(self) -> None:
        self._process.terminate()

    async def wait(self) -> int | None:
        """Wait for its end and return its exit code, or the negative number of the signal that ended it."""
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_reader(self._process.sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        self._process.join()
        return self._process.exitcode


@contextlib.asynccontextmanager
async def clarion_process(data: Path, port: int, step: str = "-", **variables: str) -> AsyncIterator[Process]:
    """Run all of Clarion as one process that dies at the step; over an embedded store unless a variable names one."""
    environment = {
        "CLARION_BOOTSTRAP_KEY": ADMIN_KEY,
        "CLARION_SECRETS_KEY": SECRETS_KEY,
        "CLARION_CLAIM_AFTER": "0.5",
        "CLARION_ATTEMPT_TIMEOUT": "2",
        **variables,
    }
    arguments = (data, port, a_site_file(data), step, environment)
    process = multiprocessing.get_context("forkserver").Process(target=crashing.run, args=arguments)
    process.start()
    try:
        yield Process(process)
    finally:
        process.terminate()
        await Process(process).wait()
        process.close()


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
