"""A Clarion of this tree with the example newsroom, on a free port of loopback, for as long as the checks take."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from services.dev.example import example_items
from tests.ports import a_free_port
from tests.web.specimens import SPECIMENS, WITHDRAWN

KEY = "web-checks-0123456789-0123456789-0123"
PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class RunningSite:
    """The site as it can be read now."""

    client: httpx.Client
    published: Sequence[str]
    """Paths of the items that readers are to come to by links."""
    gone: Sequence[str]
    """Paths that answer 410."""
    noticed: Sequence[str]
    """Paths of pages that stand under a notice and that nothing links to."""

    @property
    def base(self) -> str:
        return str(self.client.base_url).rstrip("/")


@contextlib.contextmanager
def example_site() -> Iterator[RunningSite]:
    """Run `clarion dev` while the block runs; yield when the example and the specimens can be read."""
    port = a_free_port()
    base = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as data, httpx.Client(base_url=base, timeout=30) as client:
        command = [sys.executable, "-m", "services", "dev", "--port", str(port), "--data", data]
        environment = {**os.environ, "CLARION_BOOTSTRAP_KEY": KEY}
        with (Path(data) / "log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            _wait_for_events(client, len(example_items()))
            gone, noticed = _publish_specimens(client)
            urls = {event["data"]["url"] for event in _events(client)}
            published = {urlsplit(url).path for url in urls}.difference(gone, noticed)
            yield RunningSite(client, sorted(published), gone, noticed)
        finally:
            process.terminate()
            process.wait()


def _publish_specimens(client: httpx.Client) -> tuple[Sequence[str], Sequence[str]]:
    """Return the paths of those that are gone again, and of those that stand under a notice."""
    client.headers["Authorization"] = f"Bearer {KEY}"
    count = len(_events(client))
    for name, item in SPECIMENS.items():
        client.put(f"/v1/items/specimens/{name}", json=item).raise_for_status()
    paths: dict[str, list[str]] = {"gone": [], "notice": []}
    for name, withdrawal in WITHDRAWN.items():
        answer = client.request("DELETE", f"/v1/items/specimens/{name}", json=withdrawal).raise_for_status()
        paths[withdrawal["mode"]].append(urlsplit(answer.json()["url"]).path)
    _wait_for_events(client, count + len(SPECIMENS) + len(WITHDRAWN))
    return paths["gone"], paths["notice"]


def _wait_for_events(client: httpx.Client, count: int) -> None:
    """Return when so many events are announced; their pages can be read then."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError, json.JSONDecodeError):
            if len(_events(client)) >= count:
                return
        time.sleep(0.2)
    raise TimeoutError(f"{count} events were not announced in {PATIENCE_SECONDS} s")


def _events(client: httpx.Client) -> list[dict[str, Any]]:  # Any: JSON
    answer = client.get("/v1/events", params={"limit": 1000}).json()
    events: list[dict[str, Any]] = answer.get("events", [])
    return events
