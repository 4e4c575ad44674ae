"""The render service: what it is made of, started and stopped in order."""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fastapi import FastAPI
from redis.asyncio import Redis

from services.render.announcing import GROUP, Announcer
from services.render.consumer import ItemEventConsumer
from services.render.edition import Edition
from services.render.item_pages import ItemPages
from services.render.list_pages import ListPages
from services.render.output import Output
from services.render.page_writer import PageWriter
from services.render.pieces import PieceCache
from services.render.rebuild import Rebuild
from services.render.theme import Theme
from services.render.veto import Veto
from services.render.web import SiteRoutes
from shared import http_errors, keys
from shared.background import background
from shared.dead_letters import DeadLetters
from shared.health import health_router, store_answers
from shared.item_store import ItemStore
from shared.item_writer import ItemWriter
from shared.redis_client import connect
from shared.settings import Settings
from shared.site_file import load_site
from shared.site_record import adopt_site
from shared.streams import Janitor, Retention, StreamConsumer


@dataclass(frozen=True)
class Rendering:
    """The parts that turn events into pages."""

    consumer: ItemEventConsumer
    rebuild: Rebuild
    routes: SiteRoutes


async def assemble(settings: Settings, redis: Redis) -> Rendering:
    """Return the parts of the service, made for the site of the settings."""
    site = load_site(settings.site_file)
    theme = Theme(site, settings.base_url, site.theme_folder)
    # The address of the site stands in every page, so it is part of what a page is made with.
    made_with = f"{site.fingerprint} {theme.fingerprint} {settings.base_url}"
    record = await adopt_site(redis, hashlib.sha256(made_with.encode()).hexdigest())
    edition = Edition(site, theme, record, settings.base_url)
    store = ItemStore(redis)
    output = Output(settings.output_dir)
    pieces = PieceCache(edition)
    veto = Veto(store, ItemWriter(redis, site), pieces.of)
    writer = PageWriter(ItemPages(store, edition, pieces), ListPages(store, edition, pieces), output, veto)
    return Rendering(
        consumer=ItemEventConsumer(store, edition, writer, Announcer(redis), DeadLetters(redis)),
        rebuild=Rebuild(store, edition, writer, output),
        routes=SiteRoutes(output, store, edition),
    )


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[FastAPI]:
    """Start the service and yield its HTTP application; leaving the block stops it."""
    redis = connect(settings.redis_url)
    try:
        parts = await assemble(settings, redis)
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

        app.include_router(health_router(ready))
        app.include_router(parts.routes.router)
        retention = Retention(keys.ITEMS_STREAM, (GROUP,), settings.items_retention)
        async with stream.running(), background(parts.rebuild.run_if_needed(), Janitor(redis, retention).run()):
            yield app
    finally:
        await redis.aclose()
