"""The notify service: its engine and its HTTP application, started and stopped as one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from fastapi import FastAPI
from redis.asyncio import Redis

from services.notify.channels.base import AnyChannel
from services.notify.channels.registry import CHANNELS
from services.notify.console.wiring import running_console
from services.notify.delivery.api import deliveries_router
from services.notify.delivery.dead_letters import DeadDeliveries
from services.notify.engine import Engine, running_engine
from services.notify.log.api import events_router
from services.notify.subscriptions.api import subscriptions_router
from services.notify.subscriptions.requests import SubscriptionBodies
from shared.egress.address_guard import AddressGuard
from shared.http import auth, errors
from shared.http.api_keys import KeyRing
from shared.http.health import health_router, store_answers
from shared.http.store_numbers import StoreWatch
from shared.runtime.settings import Settings
from shared.store.layout.number import begin_layout
from shared.store.redis_client import connect


@contextlib.asynccontextmanager
async def running(settings: Settings, channels: Sequence[AnyChannel] = CHANNELS) -> AsyncIterator[FastAPI]:
    """
    Run the service while the block runs, and yield its HTTP application.

    Set `app.state.stopping` before the HTTP server is told to stop. Event streams then end, and the engine begins to
    finish its running attempts while the server drains its connections.
    """
    redis = connect(settings.redis_url)
    try:
        await begin_layout(redis)
        async with (
            running_engine(redis, settings, asyncio.Event(), channels=channels) as engine,
            running_console(redis, engine, settings) as console,
        ):
            app = _application(redis, engine, settings)
            app.include_router(console)
            yield app
    finally:
        await redis.aclose()


def _application(redis: Redis, engine: Engine, settings: Settings) -> FastAPI:
    app = FastAPI(title="Clarion notify", docs_url=None, redoc_url=None)
    app.state.stopping = engine.stopping
    errors.install(app)
    auth.install(app, KeyRing(redis, settings).admit)

    async def ready() -> bool:
        return engine.is_healthy and await store_answers(redis)

    bodies = SubscriptionBodies(engine.channels, AddressGuard(settings.egress_allow))
    # The hub is first: routes are tried in order, and the hub gets most requests.
    for router in engine.websub.routers:
        app.include_router(router)
    app.include_router(subscriptions_router(engine.subscriptions, bodies, engine.on_work))
    app.include_router(
        deliveries_router(
            engine.subscriptions,
            history=engine.history,
            dead=DeadDeliveries(redis, engine.store),
            replays=engine.replays,
            on_work=engine.on_work,
            on_replay=engine.on_replay,
        )
    )
    app.include_router(events_router(engine.event_log, engine.stopping))
    app.include_router(health_router(ready, StoreWatch(redis), settings.output_dir))
    return app
