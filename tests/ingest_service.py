"""The ingest service alone, over HTTP on loopback, and what the store holds because of it."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from redis.asyncio import Redis

from services.ingest import app
from shared.http.api_keys import ApiKey, KeyRing, Scope
from shared.http.server import http_server
from shared.model.kinds.kind import SectionKind
from shared.model.kinds.section_kinds import SECTION_KINDS
from shared.model.site_file import Site, load_site
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.item_store import ItemStore
from tests.factories import ADMIN_KEY
from tests.render.newsroom import a_press

# Any, below: what JSON and redis-py give.
Json = dict[str, Any]


@dataclass
class Ingest:
    """A running ingest service, as an upstream system sees it; `redis` looks behind the door."""

    http: httpx.AsyncClient
    redis: Redis
    settings: Settings
    site: Site

    @property
    def store(self) -> ItemStore:
        return ItemStore(self.redis)

    async def send(self, external_id: str, item: dict[str, object], **headers: str) -> httpx.Response:
        """Send an item with PUT and return whatever comes."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.put(f"/v1/items/press/{external_id}", json=item, headers=names)

    async def put(self, external_id: str, item: dict[str, object]) -> Json:
        """Send an item with PUT and return its receipt."""
        response = await self.send(external_id, item)
        assert response.status_code in (200, 201), response.text
        receipt: Json = response.json()
        return receipt

    async def withdraw(self, external_id: str, **how: str) -> httpx.Response:
        return await self.http.request("DELETE", f"/v1/items/press/{external_id}", json={"mode": "gone", **how})

    async def get(self, path: str) -> Json:
        response = await self.http.get(path)
        assert response.status_code == 200, response.text
        found: Json = response.json()
        return found

    async def events(self) -> list[dict[str, str]]:
        """Return the fields of every event, in the order of the stream."""
        entries: Any = await self.redis.xrange(keys.ITEMS_STREAM)
        return [fields for _, fields in entries]

    async def render(self) -> None:
        """Have a render service show and announce everything that was accepted."""
        await (await a_press(self.redis, self.settings)).render()

    def path(self, receipt: Json) -> str:
        return str(receipt["url"]).removeprefix(self.settings.base_url)

    async def with_key(self, *scopes: Scope, sources: tuple[str, ...] = ("press",)) -> dict[str, str]:
        """Make a key and return the header that shows it."""
        ring = KeyRing(self.redis, self.settings)
        key = ApiKey(name="wire", scopes=frozenset(scopes), sources=frozenset(sources))
        return {"Authorization": f"Bearer {await ring.create(key)}"}


@contextlib.asynccontextmanager
async def running_ingest(
    settings: Settings, redis: Redis, kinds: Sequence[SectionKind] = SECTION_KINDS
) -> AsyncIterator[Ingest]:
    """Run the service on the settings' port."""
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    async with (
        app.running(settings, kinds) as application,
        http_server(application, settings.host, settings.port),
        httpx.AsyncClient(base_url=settings.base_url, headers=headers, timeout=30) as client,
    ):
        yield Ingest(client, redis, settings, load_site(settings.site_file, kinds))
