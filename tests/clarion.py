"""A whole Clarion in this process, over HTTP on loopback."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx

from services.dev.runner import clarion_running
from shared.http.server import http_server
from shared.runtime.settings import Settings
from tests.factories import ADMIN_KEY
from tests.waiting import PATIENCE_SECONDS, eventually


@dataclass
class Clarion:
    """A running Clarion, as an upstream system and a reader see it."""

    http: httpx.AsyncClient
    settings: Settings

    async def put(self, external_id: str, item: dict[str, object], source: str = "press") -> dict[str, Any]:
        """Publish an item and return its receipt."""
        response = await self.http.put(f"/v1/items/{source}/{external_id}", json=item)
        assert response.status_code in (200, 201), response.text
        receipt: dict[str, Any] = response.json()
        return receipt

    async def page(self, url: str) -> str:
        """Wait until the page is there and return it."""
        await eventually(lambda: self._is_there(url), f"the page {url}")
        return (await self.http.get(url)).text

    async def _is_there(self, url: str) -> bool:
        return (await self.http.get(url)).status_code == httpx.codes.OK

    async def subscribe(self, url: str, **fields: object) -> dict[str, Any]:
        """Subscribe an endpoint and return the subscription with its secret."""
        response = await self.http.post("/v1/subscriptions", json={"url": url, **fields})
        assert response.status_code == httpx.codes.CREATED, response.text
        subscription: dict[str, Any] = response.json()
        return subscription


@contextlib.asynccontextmanager
async def running_clarion(settings: Settings) -> AsyncIterator[Clarion]:
    """Run all three services in this process on the settings' port."""
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    async with (
        clarion_running(settings) as app,
        http_server(app, settings.host, settings.port, app.notify.state.stopping),
        httpx.AsyncClient(base_url=settings.base_url, headers=headers, timeout=PATIENCE_SECONDS) as client,
    ):
        yield Clarion(client, settings)
