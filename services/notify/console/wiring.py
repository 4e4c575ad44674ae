"""The console, put together: started and stopped with the service."""

import contextlib
from collections.abc import AsyncIterator

from fastapi import APIRouter
from redis.asyncio import Redis

from services.notify.console.actions import add_site_buttons, add_subscription_buttons
from services.notify.console.dead_letters import add_dead_letters
from services.notify.console.deliveries import add_deliveries
from services.notify.console.ingest_client import IngestClient, open_ingest
from services.notify.console.item_timeline import ItemTimelines
from services.notify.console.items import add_items
from services.notify.console.overview import add_overview
from services.notify.console.rates import RateWatch
from services.notify.console.rendering import ConsolePages
from services.notify.console.routes import ConsoleRoutes
from services.notify.console.sessions import Sessions
from services.notify.console.sign_in import SignInThrottle, add_sign_in
from services.notify.console.subscriptions import add_subscriptions
from services.notify.engine import Engine
from services.notify.subscriptions.secret_box import SecretBox
from shared.http.api_keys import KeyRing
from shared.runtime.background import background
from shared.runtime.settings import Settings


@contextlib.asynccontextmanager
async def running_console(redis: Redis, engine: Engine, settings: Settings) -> AsyncIterator[APIRouter]:
    """Count rates while the block runs, and yield the console's routes."""
    sessions = Sessions(redis, KeyRing(redis, settings), SecretBox(settings.secrets_key), settings)
    console = ConsoleRoutes(sessions, ConsolePages(settings.base_url), engine.stopping)
    rates = RateWatch(redis)
    add_sign_in(console, SignInThrottle(redis))
    add_overview(console, redis, rates)
    add_items(console, redis, ItemTimelines(redis, engine.store, engine.event_log))
    add_subscriptions(
        console,
        redis,
        store=engine.store,
        feeds=engine.websub.store,
        service=engine.subscriptions,
        history=engine.history,
        replays=engine.replays,
    )
    add_deliveries(
        console,
        redis,
        store=engine.store,
        service=engine.subscriptions,
        history=engine.history,
        event_log=engine.event_log,
    )
    add_dead_letters(console, redis, engine.store)
    add_subscription_buttons(
        console,
        service=engine.subscriptions,
        history=engine.history,
        replays=engine.replays,
        on_work=engine.on_work,
        on_replay=engine.on_replay,
    )
    async with background(rates.run()), open_ingest(settings.ingest_url or settings.base_url) as http:
        add_site_buttons(console, redis, IngestClient(http))
        yield console.router
