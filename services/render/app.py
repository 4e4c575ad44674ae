"""The render service: what it is made of, started and stopped in order."""

import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI

from services.render.announcing import GROUP
from services.render.output import Output
from services.render.parts import adopt_edition, assemble
from services.render.previews import PreviewRoutes
from services.render.rebuild_on_demand import RebuildOnDemand
from services.render.site_answers import SiteAnswers
from services.render.sync_mark import SyncMark
from shared import http_errors, keys
from shared.background import background
from shared.health import health_router, store_answers
from shared.item_store import ItemStore
from shared.redis_client import connect
from shared.settings import Settings
from shared.store_numbers import StoreWatch
from shared.streams import Janitor, Retention, StreamConsumer


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[FastAPI]:
    """Start the service and yield its HTTP application; leaving the block stops it."""
    redis = connect(settings.redis_url)
    try:
        output = Output(settings.output_dir)
        edition = await adopt_edition(settings, redis)
        parts = assemble(redis, edition, output, purge_urls=settings.purge_urls)
        previews = PreviewRoutes(ItemStore(redis), edition, SiteAnswers(output, edition), settings.secrets_key)
        stream = StreamConsumer(
            settings.redis_url,
            keys.ITEMS_STREAM,
            GROUP,
            parts.consumer.on_item_events,
            parts.consumer.bury,
            claim_after=settings.claim_after,
        )
        app = FastAPI(title="Clarion site", openapi_url=None)
        http_errors.install(app)

        async def ready() -> bool:
            return stream.healthy and await store_answers(redis)

        app.include_router(health_router(ready, StoreWatch(redis), settings.output_dir))
        for router in (previews.router, *parts.routes):
            app.include_router(router)
        retention = Retention(keys.ITEMS_STREAM, (GROUP,), settings.items_retention)
        async with (
            stream.running(),
            background(
                SyncMark(redis, output, parts.consumer.check).run(parts.rebuild.run_if_needed),
                RebuildOnDemand(redis, parts.rebuild, output).run(),
                parts.ticker.run(),
                Janitor(redis, retention).run(),
            ),
        ):
            yield app
    finally:
        await redis.aclose()
