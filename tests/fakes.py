"""Stand-ins for the outside world, by hand: an upstream system's client and a subscriber's endpoint, over real HTTP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.types import Receive, Scope, Send

from services.dev.runner import clarion_running
from shared.http.server import http_server
from shared.runtime.settings import Settings
from tests.factories import ADMIN_KEY

PATIENCE_SECONDS = 30


async def eventually(condition: Callable[[], Awaitable[bool] | bool], what: str = "the condition") -> None:
    """Wait until the condition holds; fail, naming it, when patience is over."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                held = condition()
                if held is True or (not isinstance(held, bool) and await held):
                    return
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"{what} did not come about in {PATIENCE_SECONDS} s") from None


@dataclass
class Received:
    """A request that reached a subscriber's endpoint."""

    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A subscriber's endpoint; `answer` decides each status, in the order of arrival, `says` what stands beside it."""

    url: str
    requests: list[Received] = field(default_factory=list)
    answer: Callable[[Received], Awaitable[int] | int] = lambda _: 204
    says: Callable[[Received], bytes] = lambda _: b""

    async def received(self, count: int = 1) -> list[Received]:
        """Wait for so many requests and return all there are."""
        await eventually(lambda: len(self.requests) >= count, f"request number {count} at {self.url}")
        return self.requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        request = Received({name.decode(): value.decode() for name, value in scope["headers"]}, body)
        answered = self.answer(request)
        status = answered if isinstance(answered, int) else await answered
        self.requests.append(request)
        said = self.says(request)
        headers = [(b"content-length", str(len(said)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": said})


@contextlib.asynccontextmanager
async def receiving(port: int = 0) -> AsyncIterator[Receiver]:
    """Run a subscriber's endpoint, on a free port unless one is given."""
    receiver = Receiver("")
    async with http_server(receiver, "127.0.0.1", port) as port:  # noqa: PLR1704 - the port that it got
        receiver.url = f"http://127.0.0.1:{port}/hook"
        yield receiver


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
