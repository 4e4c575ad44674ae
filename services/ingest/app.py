"""The ingest service: its parts, started and stopped in order."""

import contextlib
from collections.abc import AsyncIterator, Sequence

from fastapi import FastAPI
from redis.asyncio import Redis

from services.ingest.api.audit import audit_router
from services.ingest.api.batch import batch_router
from services.ingest.api.items import items_router
from services.ingest.api.public import public_router
from services.ingest.api.rate_limit import RateLimiter, RateLimitHeaders, rate_limited
from services.ingest.api.reading import reading_router
from services.ingest.api.request_body import ItemReader
from services.ingest.api.schemas import schemas_router
from services.ingest.contract.openapi import describe
from services.ingest.publishing.durability import require_durable_store
from services.ingest.publishing.erasure import Eraser
from services.ingest.publishing.idempotency import IdempotencyKeys
from services.ingest.publishing.publisher import Publisher
from services.ingest.publishing.scheduler import Scheduler
from services.ingest.publishing.timeline import Timelines
from shared.http import auth, errors
from shared.http.api_keys import KeyRing
from shared.http.health import health_router, store_answers
from shared.http.store_numbers import StoreWatch
from shared.model.kinds.kind import SectionKind
from shared.model.kinds.section_kinds import SECTION_KINDS
from shared.model.site_file import Site, load_site
from shared.runtime.background import background
from shared.runtime.settings import Settings
from shared.store.item_store import ItemStore
from shared.store.item_writer import ItemWriter
from shared.store.layout.number import begin_layout
from shared.store.redis_client import connect


@contextlib.asynccontextmanager
async def running(settings: Settings, kinds: Sequence[SectionKind] = SECTION_KINDS) -> AsyncIterator[FastAPI]:
    """Start the service and yield its HTTP application; leaving the block stops it."""
    site = load_site(settings.site_file, kinds)
    redis = connect(settings.redis_url)
    try:
        await require_durable_store(redis, settings)
        await begin_layout(redis)
        store = ItemStore(redis)
        publisher = Publisher(store, ItemWriter(redis, settings.wait_replicas), site, settings.base_url)
        eraser = Eraser(redis, store, publisher, IdempotencyKeys(redis))
        app = _application(settings, redis, site, publisher, eraser)
        async with background(Scheduler(redis, publisher).run(), eraser.run()):
            yield app
    finally:
        await redis.aclose()


def _application(settings: Settings, redis: Redis, site: Site, publisher: Publisher, eraser: Eraser) -> FastAPI:
    store = ItemStore(redis)
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
    auth.install(app, rate_limited(KeyRing(redis, settings), RateLimiter(redis, settings.rate_limit)))
    app.include_router(public_router(store, site, base_url))
    app.include_router(items_router(publisher, reader, IdempotencyKeys(redis), eraser))
    app.include_router(batch_router(publisher, reader))
    app.include_router(reading_router(publisher, store, Timelines(redis), base_url, settings.secrets_key))
    app.include_router(audit_router(redis))
    app.include_router(schemas_router(site, base_url))
    app.include_router(health_router(lambda: store_answers(redis), StoreWatch(redis)))
    describe(app, site, base_url)
    return app
