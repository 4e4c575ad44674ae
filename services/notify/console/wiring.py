"""The console put together: started and stopped with the service."""

import contextlib
from collections.abc import AsyncIterator

from fastapi import APIRouter
from redis.asyncio import Redis

from services.notify.console.actions import Acts, Tools
from services.notify.console.dead_letters import LetterPages
from services.notify.console.deliveries import Deliveries
from services.notify.console.ingest_client import Ingest, ingest_client
from services.notify.console.item_timeline import WayReader
from services.notify.console.items import Items
from services.notify.console.overview import Overview
from services.notify.console.rates import RateWatch
from services.notify.console.rendering import ConsolePages
from services.notify.console.routes import Parts, console_router
from services.notify.console.sessions import Sessions, SignInThrottle
from services.notify.console.sign_in import Door
from services.notify.console.subscriptions import Sources, Subscriptions
from services.notify.delivery.history import DeliveryHistory
from services.notify.engine import Engine
from services.notify.subscriptions.secret_box import SecretBox
from shared.http.auth import KeyRing
from shared.runtime.background import background
from shared.runtime.settings import Settings


@contextlib.asynccontextmanager
async def running_console(redis: Redis, engine: Engine, settings: Settings) -> AsyncIterator[APIRouter]:
    """Count rates while the block runs, and yield the console's routes."""
    sessions = Sessions(redis, KeyRing(redis, settings), SecretBox(settings.secrets_key), settings)
    pages = ConsolePages(settings.base_url)
    history = DeliveryHistory(redis, engine.store, engine.advance.enqueue)
    rates = RateWatch(redis)
    async with background(rates.run()), ingest_client(settings.ingest_url or settings.base_url) as http:
        tools = Tools(
            redis=redis,
            subscribing=engine.subscribing,
            history=history,
            replays=engine.replays,
            ingest=Ingest(http),
            on_work=engine.on_work,
            on_replay=engine.replaying.ring,
        )
        parts = Parts(
            door=Door(sessions, SignInThrottle(redis), pages),
            sessions=sessions,
            pages=pages,
            overview=Overview(redis, rates),
            items=Items(redis, WayReader(redis, engine.store, engine.event_log)),
            subscriptions=Subscriptions(
                redis, Sources(engine.store, engine.websub.store, engine.subscribing, history, engine.replays)
            ),
            deliveries=Deliveries(redis, engine.store, engine.subscribing, history, engine.event_log),
            letters=LetterPages(redis, engine.store),
            acts=Acts(tools),
        )
        yield console_router(parts, engine.stopping)
