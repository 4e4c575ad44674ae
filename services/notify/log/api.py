"""The public log over HTTP: a feed with cursors, and Server-Sent Events."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

import structlog
from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from starlette.types import Message, Send

from services.notify.log.event_log import EventLog, LogNoLongerReaches
from services.notify.model.log_position import is_before
from shared.model.events import PUBLIC_TYPES, AnnouncedEvent, LoggedEvent
from shared.model.ids import LogId
from shared.runtime.background import set_within

log = structlog.get_logger()

_CURSOR = r"^\d{1,15}-\d{1,10}$"
_SCANNED_AT_ONCE = 500
_POLL_SECONDS = 0.5
# Proxies close connections that are silent for about a minute.
_HEARTBEAT_EVERY_POLLS = 30
# A reader that takes nothing for 10 s is dropped. Until then its connection holds one full buffer at most.
_TAKEN_WITHIN = timedelta(seconds=10)

Cursor = Annotated[str | None, Query(pattern=_CURSOR)]


@dataclass(frozen=True)
class EventPage:
    """Public events, and the place behind the last entry that was read."""

    events: tuple[LoggedEvent, ...]
    next: LogId


async def read_events(event_log: EventLog, after: LogId | None, limit: int) -> EventPage:
    """
    Return up to `limit` public events behind `after`, or from the oldest kept.

    Raises LogNoLongerReaches instead of skipping events that the reader has not seen.
    """
    trimmed = await event_log.trimmed()
    if after is not None and is_before(after, trimmed):
        raise LogNoLongerReaches(f"the log no longer reaches back to {after}; go on after {trimmed}", trimmed)
    place = after or trimmed
    events: list[LoggedEvent] = []
    while len(events) < limit:
        page = await event_log.after(place, _SCANNED_AT_ONCE)
        if page.last is None:
            break
        for logged in page.events:
            if logged.event.type in PUBLIC_TYPES:
                events.append(logged)
                place = logged.log_id
            if len(events) == limit:
                return EventPage(tuple(events), place)
        place = page.last
    return EventPage(tuple(events), place)


class PushedStream(StreamingResponse):
    """An answer without an end. A reader that takes nothing for a while is dropped."""

    def __init__(self, events: AsyncIterable[str], taken_within: timedelta) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._seconds = taken_within.total_seconds()

    async def stream_response(self, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(self._seconds):
                await send(message)

        try:
            await super().stream_response(send_in_time)
        except TimeoutError:
            # Returning without an end closes the connection.
            log.info("stream.dropped", seconds=self._seconds)


def events_router(event_log: EventLog, stopping: asyncio.Event, taken_within: timedelta = _TAKEN_WITHIN) -> APIRouter:
    """Return the routes. A stream ends when `stopping` is set, or when its reader takes nothing for `taken_within`."""
    router = APIRouter(prefix="/v1/events", tags=["events"])

    @router.get("")
    async def events(after: Cursor = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> dict[str, object]:
        page = await read_events(event_log, LogId(after) if after else None, limit)
        return {"events": [_shown(logged) for logged in page.events], "next": page.next}

    @router.get("/stream", response_class=StreamingResponse)
    async def stream(
        after: Cursor = None, last_event_id: Annotated[str | None, Header(pattern=_CURSOR)] = None
    ) -> StreamingResponse:
        place = last_event_id or after
        start = LogId(place) if place else await event_log.newest()
        # Read once before the answer begins: afterwards the status can no longer be 410.
        await read_events(event_log, start, 1)
        return PushedStream(sent_events(event_log, start, stopping), taken_within)

    return router


async def sent_events(event_log: EventLog, place: LogId, stopping: asyncio.Event) -> AsyncGenerator[str]:
    """Yield events as Server-Sent Events: those in the log behind `place`, and then each new one."""
    quiet_polls = 0
    yield ": the log follows\n\n"
    while not stopping.is_set():
        page = await read_events(event_log, place, _SCANNED_AT_ONCE)
        for logged in page.events:
            yield f"id: {logged.log_id}\nevent: {logged.event.type}\ndata: {_data(logged.event)}\n\n"
        place = page.next
        quiet_polls = 0 if page.events else quiet_polls + 1
        if quiet_polls == _HEARTBEAT_EVERY_POLLS:
            quiet_polls = 0
            yield ": still here\n\n"
        if not page.events:
            await set_within(stopping, _POLL_SECONDS)


def _shown(logged: LoggedEvent) -> dict[str, object]:
    event = logged.event
    return {"cursor": logged.log_id, "id": event.id, **json.loads(event.body), **_was(event)}


def _was(event: AnnouncedEvent) -> dict[str, object]:
    """Return what the item's event before this one told, so that whoever filters by himself knows what left."""
    if not event.was:
        return {}
    told = json.loads(event.was)
    return {"was": {"lang": told["lang"], "section": told["section"], "tags": told["tags"], "cursor": told["log_id"]}}


def _data(event: AnnouncedEvent) -> str:
    return json.dumps({**json.loads(event.body), **_was(event)}, ensure_ascii=False) if event.was else event.body
