"""A subscriber's endpoint on loopback, over real HTTP."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook

from tests.waiting import eventually


@dataclass(frozen=True)
class Received:
    """A request that reached the endpoint; the names of its headers are in lower case."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verify(self, secret: str) -> Any:  # Any: JSON
        """Return what the body says; raise unless the signature holds, by the official library."""
        return Webhook(secret).verify(self.body, dict(self.headers))


Answer = web.StreamResponse | int
Answering = Callable[[Received], Answer | Awaitable[Answer]]


@dataclass
class Receiver:
    """Keeps every request that arrives; `answer` decides what it is answered: a status, or a whole response."""

    answer: Answering
    url: str = ""
    requests: list[Received] = field(default_factory=list)

    @property
    def event_ids(self) -> list[str]:
        return [request.id.rpartition("-")[0] for request in self.requests]

    async def received(self, count: int = 1) -> list[Received]:
        """Wait for so many requests and return all there are."""
        await eventually(lambda: len(self.requests) >= count, f"request number {count} at {self.url}")
        return self.requests

    async def on_request(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append(Received(headers, await request.read()))
        answer = self.answer(self.requests[-1])
        answer = await answer if inspect.isawaitable(answer) else answer
        return web.Response(status=answer, text="so it is") if isinstance(answer, int) else answer


@asynccontextmanager
async def a_receiver(*statuses: int, port: int = 0, answer: Answering | None = None) -> AsyncIterator[Receiver]:
    """Run an endpoint, on a free port unless one is given. It answers these statuses one after the other, then 200."""
    left = iter(statuses)
    receiver = Receiver(answer or (lambda _: next(left, 200)))
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.on_request)
    runner = web.AppRunner(app, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()
