"""The ingest service: what it is made of, started and stopped in order."""

import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI
from redis.asyncio import Redis

from services.ingest.api.audit import AuditApi
from services.ingest.api.authentication import Gate
from services.ingest.api.batch import BatchApi
from services.ingest.api.item_reader import ItemReader
from services.ingest.api.items import ItemsApi
from services.ingest.api.public import PublicApi
from services.ingest.api.rate_limit import RateLimiter, RateLimitHeaders
from services.ingest.api.reading import PreviewApi, ReadingApi
from services.ingest.api.schemas import schemas_router
from services.ingest.contract.openapi import describe
from services.ingest.publishing.durability import require_durable_store
from services.ingest.publishing.erasure import Eraser
from services.ingest.publishing.idempotency import IdempotencyKeys
from services.ingest.publishing.publisher import Publisher
from services.ingest.publishing.scheduler import Scheduler
from services.ingest.publishing.timeline import Timelines
from shared.http import errors
from shared.http.auth import KeyRing
from shared.http.health import health_router, store_answers
from shared.http.store_numbers import StoreWatch
from shared.model.site_file import Site, load_site
from shared.runtime.background import background
from shared.runtime.settings import Settings
from shared.store.item_store import ItemStore
from shared.store.item_writer import ItemWriter
from shared.store.redis_client import connect


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[FastAPI]:
    """Start the service and yield its HTTP application; leaving the block stops it."""
    site = load_site(settings.site_file)
    redis = connect(settings.redis_url)
    try:
        await require_durable_store(redis, settings)
        store = ItemStore(redis)
        publisher = Publisher(store, ItemWriter(redis, site, settings.wait_replicas), site, settings.base_url)
        eraser = Eraser(redis, store, publisher, IdempotencyKeys(redis))
        app = _application(settings, redis, site, publisher, eraser)
        async with background(Scheduler(redis, publisher).run(), eraser.run()):
            yield app
    finally:
        await redis.aclose()


def _application(settings: Settings, redis: Redis, site: Site, publisher: Publisher, eraser: Eraser) -> FastAPI:
    store = ItemStore(redis)
    gate = Gate(KeyRing(redis, settings), RateLimiter(redis, settings.rate_limit))
    reader = ItemReader(store, site)
    base_url = settings.base_url
    app = FastAPI(
        title="Clarion",
        description="Send items in; read them as pages, feeds and data; be told of each by a signed webhook.",
        openapi_url="/openapi.json",
        docs_url="/docs",
        redoc_url=None,
    )
    app.add_middleware(RateLimitHeaders)
    errors.install(app)
    app.include_router(PublicApi(store, site, base_url).router)
    app.include_router(ItemsApi(publisher, reader, gate, IdempotencyKeys(redis), eraser).router)
    app.include_router(BatchApi(publisher, reader, gate).router)
    app.include_router(ReadingApi(publisher, store, Timelines(redis), gate).router)
    app.include_router(PreviewApi(store, gate, base_url, settings.secrets_key).router)
    app.include_router(AuditApi(redis, gate).router)
    app.include_router(schemas_router(site, base_url))
    app.include_router(health_router(lambda: store_answers(redis), StoreWatch(redis)))
    describe(app, site, base_url)
    return app
