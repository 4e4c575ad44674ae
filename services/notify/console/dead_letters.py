"""Dead letters at the console: deliveries and events that were given up."""

import re

from redis.asyncio import Redis
from starlette.requests import Request

from services.notify.console.rendering import View
from services.notify.console.routes import ConsoleRoutes, place_in
from services.notify.console.sessions import Operator
from services.notify.delivery.dead_letters import DeadDeliveries
from services.notify.subscriptions.store import SubscriptionStore
from shared.store import keys
from shared.store.dead_letters import DeadLetters

_SHOWN = 100
# The id of an entry of a stream, and the shard of the stream.
_CURSOR = re.compile(r"\d{1,15}-\d{1,10}-\d{1,3}")


def add_dead_letters(console: ConsoleRoutes, redis: Redis, store: SubscriptionStore) -> None:
    """Declare the page of dead letters."""
    dead_deliveries, dead_letters = DeadDeliveries(redis, store), DeadLetters(redis)

    @console.page("/dead-letters")
    async def letters(request: Request, _: Operator) -> View:
        cursor = place_in(request, "cursor", _CURSOR)
        page = await dead_deliveries.newest(None, cursor, _SHOWN)
        values = {
            "deliveries": page.letters,
            "next": page.next,
            "cursor": cursor,
            "events": await dead_letters.newest(_SHOWN),
            "deliveries_kept": sum([await redis.xlen(mirror.shard.dead_letters) for mirror in store.mirrors]),
            "events_kept": await redis.xlen(keys.DEAD_LETTERS),
        }
        return View("dead_letters", "dead-letters", "Dead letters", values)
