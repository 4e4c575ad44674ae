"""WebSub's other parties over real HTTP: a subscriber that speaks it, and the hub with feeds written by hand."""

import hmac
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
from aiohttp import web
from redis.asyncio import Redis

from services.notify.app import running
from shared.http.server import http_server
from shared.model.events import AnnouncedEvent
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.keys import Shard
from tests.notify.factories import an_event, announce, settings_for
from tests.ports import a_free_port
from tests.waiting import eventually

NEWS = "/en/news/feed.atom"
SECRET = "d2b81e0f5c4a9d7c6e3f"
FIRST = "<feed>the first</feed>"


@dataclass
class Asked:
    """A GET of the hub: an intent to verify, or a denial."""

    pairs: list[tuple[str, str]]
    path: str
    request: web.Request

    def __getitem__(self, name: str) -> str:
        return dict(self.pairs)[name]

    def __contains__(self, name: str) -> bool:
        return name in dict(self.pairs)

    @property
    def mode(self) -> str:
        return dict(self.pairs).get("hub.mode", "")


@dataclass
class Notified:
    """A POST of the hub."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    request: web.Request

    @property
    def links(self) -> dict[str, str]:
        """The Link header's relations and addresses."""
        links = {}
        for part in self.headers["link"].split(", "):
            address, _, relation = part.partition("; ")
            links[relation.removeprefix('rel="').rstrip('"')] = address.strip("<>")
        return links

    def is_signed_with(self, secret: str) -> bool:
        method, _, digest = self.headers["x-hub-signature"].partition("=")
        return hmac.compare_digest(digest, hmac.new(secret.encode(), self.body, method).hexdigest())


Confirm = Callable[[Asked], Awaitable[web.StreamResponse] | web.StreamResponse]
Accept = Callable[[Notified], Awaitable[web.StreamResponse] | web.StreamResponse]


def echo(asked: Asked) -> web.StreamResponse:
    """Confirm: the challenge and nothing else."""
    return web.Response(body=asked["hub.challenge"].encode(), content_type="application/octet-stream")


def take(_: Notified) -> web.StreamResponse:
    return web.Response(status=204)


def answer(status: int, **headers: str) -> web.Response:
    return web.Response(status=status, headers=headers, text="so it is")


@dataclass
class Subscriber:
    """An endpoint on loopback, for any number of callbacks."""

    base: str = ""
    asked: list[Asked] = field(default_factory=list)
    notified: list[Notified] = field(default_factory=list)
    confirm: Confirm = echo
    accept: Accept = take

    @property
    def url(self) -> str:
        return f"{self.base}/callback"

    def verified(self, mode: str = "subscribe") -> list[Asked]:
        return [one for one in self.asked if one.mode == mode]

    async def heard(self, count: int = 1) -> list[Notified]:
        """Wait for so many notifications and return all there are."""
        await eventually(lambda: len(self.notified) >= count, f"notification number {count}")
        return self.notified

    async def was_asked(self, count: int = 1) -> list[Asked]:
        await eventually(lambda: len(self.asked) >= count, f"verification number {count}")
        return self.asked

    async def on_request(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            pairs = parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True)
            asked = Asked(pairs, request.raw_path, request)
            self.asked.append(asked)
            answer = self.confirm(asked) if asked.mode != "denied" else web.Response()
        else:
            headers = {name.lower(): value for name, value in request.headers.items()}
            notified = Notified(request.raw_path, headers, await request.read(), request)
            self.notified.append(notified)
            answer = self.accept(notified)
        return answer if isinstance(answer, web.StreamResponse) else await answer


def failing(subscriber: Subscriber, times: int) -> Accept:
    """Answer 503 so often, then 204."""
    return lambda _: answer(503) if len(subscriber.notified) <= times else answer(204)


@asynccontextmanager
async def a_subscriber(port: int = 0, **changes: Any) -> AsyncIterator[Subscriber]:  # Any: its fields
    subscriber = replace(Subscriber(), **changes)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", subscriber.on_request)
    runner = web.AppRunner(app, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    subscriber.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield subscriber
    finally:
        await runner.cleanup()


@dataclass
class Hub:
    """A running hub, with the feeds that it reads and the log that it follows."""

    http: httpx.AsyncClient
    redis: Redis
    settings: Settings
    has_announced: bool = False

    def topic(self, path: str = NEWS) -> str:
        return self.settings.base_url + path

    def write(self, content: str, path: str = NEWS) -> None:
        """Put a feed there as render does: whole."""
        file = self.settings.output_dir / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_suffix(".new")
        beside.write_text(content, encoding="utf-8")
        beside.replace(file)

    def remove(self, path: str = NEWS) -> None:
        (self.settings.output_dir / path.lstrip("/")).unlink()

    async def announce(self, *paths: str, type: str = "item.published.v1") -> None:  # noqa: A002 - the event's word
        """Tell the log that these feeds have changed."""
        event: AnnouncedEvent = replace(an_event(type=type), feeds=paths or (NEWS,))
        await announce(self.redis, event)
        self.has_announced = True

    async def publish(self, content: str, path: str = NEWS) -> None:
        self.write(content, path)
        await self.announce(path)

    async def post(self, **fields: str) -> httpx.Response:
        """Send a form whose names begin with `hub.`, unless they have a dot already."""
        return await self.http.post("/hub", data={f"hub.{name}": value for name, value in fields.items()})

    async def ask(self, mode: str, callback: str, topic: str | None = None, **more: str) -> None:
        answer = await self.post(mode=mode, callback=callback, topic=topic or self.topic(), **more)
        assert answer.status_code == 202, answer.text

    async def subscribe(self, subscriber: Subscriber, topic: str | None = None, **more: str) -> Asked:
        """Subscribe and wait until it is confirmed; return what the subscriber was asked."""
        asked = len(subscriber.asked)
        await self.ask("subscribe", more.pop("callback", subscriber.url), topic, **more)
        await eventually(lambda: len(subscriber.asked) > asked, "the verification")
        self.has_announced = False
        await self.settled()
        return subscriber.asked[-1]

    async def unsubscribe(self, subscriber: Subscriber) -> None:
        await self.ask("unsubscribe", subscriber.url)
        await self.settled()

    async def count(self) -> int:
        """Return how many subscriptions there are."""
        return len(await self.subscriptions())

    async def subscriptions(self) -> list[dict[str, Any]]:  # Any: JSON
        """Return the records of all subscriptions."""
        records = [await self.redis.hvals(key) for key in await self._keys("websub-subscriptions")]
        return [json.loads(record) for shard in records for record in shard]

    async def settled(self) -> None:
        """Wait until no request waits and nothing is due."""
        if self.has_announced:
            # A shard that nobody subscribed in is brought to the end of the log with the next entry.
            await eventually(self._has_marked_everything, "the end of the log")
        await eventually(self._has_nothing_to_do, "rest")

    async def forget_everybody(self) -> None:
        """Begin anew: no subscriptions, no requests, the first feed alone."""
        self.has_announced = False
        of_subscriptions = [f"websub-{name}" for name in ("subscriptions", "topics", "leases", "due", "states")]
        for ending in (*of_subscriptions, "websub-requests", "websub-requests-due", "attempts:*"):
            for key in await self._keys(ending):
                await self.redis.delete(key)
        shutil.rmtree(self.settings.output_dir / "en")
        self.write(FIRST)

    async def _has_nothing_to_do(self) -> bool:
        return not await self._keys("websub-requests") and not await self._keys("websub-due")

    async def _has_marked_everything(self) -> bool:
        newest: Any = await self.redis.xrevrange(keys.PAGES_STREAM, count=1)  # Any: an entry as redis-py types it
        shards = [shard for shard in map(Shard, range(self.settings.shards)) if await self._is_wanted(shard)]
        return all([await self.redis.get(shard.websub_cursor) == newest[0][0] for shard in shards if newest])

    async def _is_wanted(self, shard: Shard) -> bool:
        return bool(await self.redis.exists(shard.websub_topics))

    async def _keys(self, ending: str) -> list[str]:
        return [str(key) async for key in self.redis.scan_iter(f"{{d*}}:{ending}")]


@asynccontextmanager
async def a_hub(redis: Redis, store_url: str, folder: Path, *, port: int = 0, **changes: object) -> AsyncIterator[Hub]:
    """Run notify with its hub on a free port, over a folder of feeds."""
    port = port or a_free_port()
    given: dict[str, object] = {"output_dir": folder / "output", "base_url": f"http://127.0.0.1:{port}", "port": port}
    settings = settings_for(store_url, **given | changes)
    feed = settings.output_dir / NEWS.lstrip("/")
    feed.parent.mkdir(parents=True, exist_ok=True)
    if not feed.exists():
        feed.write_text(FIRST)
    async with (
        running(settings) as app,
        http_server(app, "127.0.0.1", port, app.state.stopping),
        httpx.AsyncClient(base_url=settings.base_url) as client,
    ):
        hub = Hub(client, redis, settings)
        yield hub
