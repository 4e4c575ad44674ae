"""The pipeline at a glance: what flows, what waits, and what somebody should look at."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from redis.asyncio import Redis
from starlette.requests import Request

from services.notify.console.rates import RateWatch
from services.notify.console.rendering import View
from services.notify.console.routes import ConsoleRoutes
from services.notify.console.sessions import Operator
from shared.http.concerns import concerns_of
from shared.http.store_numbers import StoreWatch
from shared.model.events import PUBLIC_TYPES, AnnouncedEvent
from shared.model.ids import LogId
from shared.model.stream_id import StreamId
from shared.store import keys
from shared.store.rebuild_request import read_rebuild_request

_NEWEST_EVENTS = 10
# Among them may be entries that are for no webhook.
_ENTRIES_READ = 20
_BAR_HEIGHT = 40
_TOTAL_MINUTES = 5
# Where an operator goes on from a concern.
_LINKS = {
    "EventsGivenUp": "/console/dead-letters#events",
    "DeliveriesGivenUp": "/console/dead-letters",
    "EndpointsDisabled": "/console/subscriptions?state=disabled",
}


@dataclass(frozen=True)
class Bar:
    """A minute in the picture of a rate: how many, and how high its bar is."""

    count: int
    height: int


@dataclass(frozen=True)
class ShownEvent:
    """An announced event as the list of the newest shows it."""

    log_id: LogId
    type: str
    at: datetime
    title: str
    source: str
    external_id: str
    lang: str


def add_overview(console: ConsoleRoutes, redis: Redis, rates: RateWatch) -> None:
    """Declare the first page."""
    watch = StoreWatch(redis)

    @console.page("")
    async def overview(_: Request, __: Operator) -> View:
        numbers = await watch.read()
        counted = await rates.read()
        values = {
            "numbers": numbers,
            "concerns": concerns_of(numbers),
            "links": _LINKS,
            "minutes": min(_TOTAL_MINUTES, counted.minutes),
            "accepted": sum(counted.accepted[-_TOTAL_MINUTES:]),
            "announced": sum(counted.announced[-_TOTAL_MINUTES:]),
            "accepted_bars": bars_of(counted.accepted, _BAR_HEIGHT),
            "announced_bars": bars_of(counted.announced, _BAR_HEIGHT),
            "events": await _newest(redis),
            "rebuild": await read_rebuild_request(redis),
        }
        return View("overview", "overview", "Overview", values)


async def _newest(redis: Redis) -> Sequence[ShownEvent]:
    entries: Any = await redis.xrevrange(keys.PAGES_STREAM, count=_ENTRIES_READ)  # Any: entries of redis-py
    shown = (shown_event(LogId(entry_id), fields) for entry_id, fields in entries)
    return [one for one in shown if one is not None][:_NEWEST_EVENTS]


def bars_of(counts: Sequence[int], height: int) -> list[Bar]:
    """Return a bar for each minute; one that is not empty can be seen."""
    most = max(counts, default=0)
    return [Bar(count, max(2, round(height * count / most)) if count else 0) for count in counts]


def shown_event(log_id: LogId, fields: Mapping[str, str]) -> ShownEvent | None:
    """Return the event of an entry of the log, or None for one that is for no subscriber, or not ours."""
    try:
        event = AnnouncedEvent.from_fields(fields)
        item = json.loads(event.body)["data"]["item"] if event.type in PUBLIC_TYPES else None
    except (KeyError, ValueError):
        return None
    if item is None:
        return None
    at = StreamId.parse(log_id).at
    return ShownEvent(log_id, event.type, at, item["title"], item["source"], item["external_id"], item["lang"])
