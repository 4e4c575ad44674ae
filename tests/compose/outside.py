"""Clarion from outside: an upstream system, a reader and a subscriber, who know the front door and nothing else."""

import asyncio
import uuid
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx

from tests.waiting import eventually

# Beside everything else that goes on: an entry of a dead consumer is taken over after 30 s, a delivery after 20.
PATIENCE_SECONDS = 100
patiently = partial(eventually, seconds=PATIENCE_SECONDS, every=0.1)


@dataclass(frozen=True)
class Outside:
    """What can be done at the front door."""

    http: httpx.AsyncClient
    failures: list[str] = field(default_factory=list)
    """What was answered, or not, when an item had to be sent again."""

    async def publish(self, external_id: str | None = None, **changes: object) -> dict[str, Any]:
        """Publish an item, again and again until it is accepted, and return the receipt."""
        item = {"lang": "en", "section": "news", "title": "From outside", "body": "It works.", **changes}
        external_id = external_id or uuid.uuid4().hex
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                response = await self._put(f"/v1/items/press/{external_id}", item)
                if response is not None and response.is_success:
                    receipt: dict[str, Any] = response.json()
                    return receipt
                await asyncio.sleep(0.2)

    async def _put(self, path: str, item: dict[str, object]) -> httpx.Response | None:
        try:
            response = await self.http.put(path, json=item)
        except httpx.TransportError as error:
            self.failures.append(repr(error))
            return None
        assert response.is_success or response.is_server_error, response.text
        if response.is_server_error:
            self.failures.append(f"{response.status_code} {response.text}")
        return response

    async def read(self, url: str) -> httpx.Response:
        """Wait until the page is there and return it."""

        async def is_there() -> bool:
            try:
                return (await self.http.get(url)).status_code == httpx.codes.OK
            except httpx.TransportError:
                return False

        await patiently(is_there, f"the page {url}")
        return await self.http.get(url)

    async def subscribe(self, endpoint: "Endpoint", *, seconds: float = 0) -> dict[str, Any]:
        """Subscribe an endpoint that takes so long to answer, and return the subscription with its secret."""
        url = f"http://receiver:9000{endpoint.name}?seconds={seconds}"
        response = await self.http.post("/v1/subscriptions", json={"url": url})
        assert response.status_code == httpx.codes.CREATED, response.text
        subscription: dict[str, Any] = response.json()
        return subscription


@dataclass(frozen=True)
class Endpoint:
    """A name at the receiver."""

    http: httpx.AsyncClient
    name: str

    async def heard(self) -> list[dict[str, Any]]:
        """Return every request that came."""
        found: list[dict[str, Any]] = (await self.http.get(self.name)).json()
        return found

    async def heard_all_of(self, event_ids: set[str]) -> Counter[str]:
        """Wait until every event was heard; return how often each was."""

        async def is_complete() -> bool:
            return event_ids <= (await self._counted()).keys()

        await patiently(is_complete, f"hearing {len(event_ids)} events")
        return await self._counted()

    async def _counted(self) -> Counter[str]:
        return Counter(one["headers"]["webhook-id"].rpartition("-")[0] for one in await self.heard())
