"""The ingest service: what it is made of, started and stopped in order."""

import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI

from services.ingest.api import ItemsApi
from services.ingest.durability import require_durable_store
from services.ingest.publishing import Publisher
from services.ingest.scheduler import Scheduler
from shared import http_errors
from shared.auth import KeyRing
from shared.background import background
from shared.health import health_router, store_answers
from shared.item_store import ItemStore
from shared.item_writer import ItemWriter
from shared.redis_client import connect
from shared.settings import Settings
from shared.site_file import load_site


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[FastAPI]:
    """Start the service and yield its HTTP application; leaving the block stops it."""
    site = load_site(settings.site_file)
    redis = connect(settings.redis_url)
    try:
        await require_durable_store(redis, settings)
        store = ItemStore(redis)
        publisher = Publisher(store, ItemWriter(redis, site), site, settings.base_url)
        app = FastAPI(title="Clarion", openapi_url="/openapi.json", docs_url="/docs", redoc_url=None)
        http_errors.install(app)
        app.include_router(ItemsApi(publisher, store, KeyRing(redis, settings), site).router)
        app.include_router(health_router(lambda: store_answers(redis)))
        async with background(Scheduler(redis, publisher).run()):
            yield app
    finally:
        await redis.aclose()
