"""The render service: starts its parts in order, and stops them."""

import contextlib
from collections.abc import AsyncIterator, Sequence

from fastapi import FastAPI

from services.render.output.sync import SyncMark
from services.render.output.volume import Output
from services.render.rebuild.on_demand import RebuildOnDemand
from services.render.web.answers import SiteAnswers
from services.render.web.previews import previews_router
from services.render.wiring import adopt_edition, assemble
from shared.http import errors
from shared.http.health import health_router, store_answers
from shared.http.store_numbers import StoreWatch, UnshownNumbers, unshown_numbers
from shared.model.clock import store_now, to_ms
from shared.runtime.background import background, repeated
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.clock_watch import ClockWatch, KeptMoments
from shared.store.item_store import ItemStore
from shared.store.janitor import Janitor, Retention
from shared.store.layout.number import begin_layout
from shared.store.redis_client import connect
from shared.store.replication import Replication
from shared.store.streams import Entry, Handle, StreamConsumer

_LOOK_AT_HISTORY_SECONDS = 5


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[FastAPI]:
    """Start the service and yield its HTTP application; leaving the block stops it."""
    redis = connect(settings.redis_url)
    try:
        await begin_layout(redis)
        output = Output(settings.output_dir)
        edition = await adopt_edition(settings, redis)
        parts = assemble(redis, edition, output, purge_urls=settings.purge_urls, receipts_kept=settings.log_retention)
        previews = previews_router(ItemStore(redis), edition, SiteAnswers(output, edition), settings.secrets_key)
        sync_mark = SyncMark(redis, output, parts.consumer.check, parts.rebuild.rewrite)
        stream = StreamConsumer(
            settings.redis_url,
            keys.ITEMS_STREAM,
            keys.RENDER_GROUP,
            shown_once_replicated(
                sync_mark.guarding(
                    parts.volume_trouble.watching(parts.history.watching(parts.consumer.on_item_events))
                ),
                Replication(redis, settings.wait_replicas),
            ),
            parts.consumer.bury,
            claim_after=settings.claim_after,
        )
        app = FastAPI(title="Clarion site", openapi_url=None)
        errors.install(app)

        async def ready() -> bool:
            return stream.healthy and await store_answers(redis)

        async def backlog() -> UnshownNumbers:
            return await unshown_numbers(redis, to_ms(await store_now(redis)))

        trouble = parts.volume_trouble
        watch = StoreWatch(redis)
        app.include_router(
            health_router(ready, watch, settings.output_dir, backlog=backlog, trouble=lambda: trouble.reason)
        )
        for router in (previews, *parts.routes):
            app.include_router(router)
        await parts.history.settle()
        clock = ClockWatch(redis, kept_moments, (keys.ITEMS_STREAM, keys.RENDER_GROUP))
        retention = Retention(keys.ITEMS_STREAM, (keys.RENDER_GROUP,), settings.items_retention)
        async with (
            stream.running(),
            background(
                sync_mark.run(parts.rebuild.run_if_needed),
                RebuildOnDemand(redis, parts.rebuild, output).run(),
                repeated(parts.history.look, _LOOK_AT_HISTORY_SECONDS, "history.unread"),
                parts.rebuild.sweep_unfinished(),
                parts.ticker.run(),
                Janitor(redis, retention).run(),
                repeated(clock.look, 1.0, "clock.unread"),
            ),
        ):
            yield app
    finally:
        await redis.aclose()


async def kept_moments() -> Sequence[KeptMoments]:
    """Return the moments that tell the age of the backlog."""
    return [KeptMoments(keys.CLOCK_SET_BACK, [keys.UNSHOWN])]


def shown_once_replicated(handle: Handle, replication: Replication) -> Handle:
    """Return `handle` behind a wait for the replicas: a failover must not take back what readers have seen."""

    async def handle_replicated(entries: Sequence[Entry]) -> None:
        await replication.confirm()
        await handle(entries)

    return handle_replicated
