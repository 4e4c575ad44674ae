"""The render service: starts its parts in order, and stops them."""

import contextlib
from collections.abc import AsyncIterator, Sequence

from fastapi import FastAPI

from services.render.replica import Replica
from shared.http import errors
from shared.http.health import health_router, store_answers
from shared.http.store_numbers import StoreWatch, UnshownNumbers, unshown_numbers
from shared.model.clock import store_now, to_ms
from shared.runtime.background import background, repeated
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.layout.number import begin_layout
from shared.store.redis_client import connect
from shared.store.upkeep.clock_watch import ClockWatch, KeptMoments
from shared.store.upkeep.janitor import Janitor, Retention


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[FastAPI]:
    """Start the service and yield its HTTP application; leaving the block stops it."""
    redis = connect(settings.redis_url)
    try:
        await begin_layout(redis)
        replica = Replica(redis, settings)
        app = FastAPI(title="Clarion site", openapi_url=None)
        errors.install(app)

        async def ready() -> bool:
            return replica.is_well and await store_answers(redis)

        async def backlog() -> UnshownNumbers:
            return await unshown_numbers(redis, to_ms(await store_now(redis)))

        watch = StoreWatch(redis)
        app.include_router(
            health_router(ready, watch, settings.output_dir, backlog=backlog, trouble=lambda: replica.trouble)
        )
        app.mount("/", replica.site)
        clock = ClockWatch(redis, kept_moments, (keys.ITEMS_STREAM, keys.RENDER_GROUP))
        retention = Retention(keys.ITEMS_STREAM, (keys.RENDER_GROUP,), settings.items_retention)
        watching = background(Janitor(redis, retention).run(), repeated(clock.look, 1.0, "clock.unread"))
        async with replica.running(), watching:
            yield app
    finally:
        await redis.aclose()


async def kept_moments() -> Sequence[KeptMoments]:
    """Return the moments that tell the age of the backlog."""
    return [KeptMoments(keys.CLOCK_SET_BACK, [keys.UNSHOWN])]
