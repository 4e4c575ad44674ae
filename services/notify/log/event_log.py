"""Read the public log: the stream of announced events."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import Redis

from services.notify.model.log_position import LOG_START
from shared.model.errors import Expired
from shared.model.events import AnnouncedEvent, LoggedEvent
from shared.model.ids import LogId
from shared.model.stream_id import StreamId
from shared.runtime.lru import Lru
from shared.store import keys

log = structlog.get_logger()

# Of bodies, with 1 to 2 kB each as a rule: after an outage some ten thousand events are read once, not twice.
_CACHED_CHARS = 32_000_000
# Queues are in the order of the log, so after one event the events behind it are needed.
_READ_AHEAD = 200


class LogNoLongerReaches(Expired):
    """The log no longer reaches back to the place that was asked for; it begins behind `oldest`."""

    def __init__(self, detail: str, oldest: LogId) -> None:
        super().__init__(detail, members={"oldest": oldest})
        self.oldest = oldest


@dataclass(frozen=True)
class LogPage:
    """A page of the log. `last` is the id of its last entry, readable or not; None when the log ends here."""

    events: tuple[LoggedEvent, ...]
    last: LogId | None


class EventLog:
    """Reads the log and caches events, because one event goes to many endpoints."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._cache: Lru[LogId, AnnouncedEvent] = Lru(_CACHED_CHARS, weigh=lambda event: len(event.body))
        self._reading_ahead = asyncio.Lock()

    async def trimmed(self) -> LogId:
        """Return the id of the last entry that is no longer kept."""
        return LogId(str(await self._redis.hget(keys.TRIMMED, keys.PAGES_STREAM) or LOG_START))

    async def is_trimmed(self, log_id: LogId) -> bool:
        """Whether the log no longer reaches back to the place; an event that is missing after that was erased."""
        return StreamId.parse(log_id) <= StreamId.parse(await self.trimmed())

    async def newest(self) -> LogId:
        """Return the id of the last entry that was ever written, kept or not."""
        last = await self._redis.xrevrange(keys.PAGES_STREAM, count=1)
        return LogId(str(last[0][0])) if last else await self.trimmed()

    async def after(self, log_id: LogId, count: int) -> LogPage:
        """Return up to `count` entries that follow `log_id`."""
        return self._page(await self._redis.xrange(keys.PAGES_STREAM, min=f"({log_id}", count=count))

    async def event(self, log_id: LogId) -> AnnouncedEvent | None:
        """Return the event at this place, or None when the log no longer has it."""
        found = self._cache.get(log_id)
        if found is None:
            # One task reads ahead for all: concurrent tasks need the events beside this one.
            async with self._reading_ahead:
                found = self._cache.get(log_id)
                if found is None:
                    self._page(await self._redis.xrange(keys.PAGES_STREAM, min=log_id, count=_READ_AHEAD))
                    found = self._cache.get(log_id)
        return found

    def cached(self, log_id: LogId) -> AnnouncedEvent | None:
        """Return the event if it is in the cache; the store is not asked."""
        return self._cache.get(log_id)

    def _page(self, entries: Any) -> LogPage:  # Any: redis-py types an entry of a stream as many things
        events = []
        for entry_id, fields in entries:
            log_id = LogId(entry_id)
            try:
                event = AnnouncedEvent.from_fields(fields)
            except (KeyError, ValueError):
                log.exception("log.unreadable", log_id=log_id)
                continue
            self._cache.put(log_id, event)
            events.append(LoggedEvent(log_id, event))
        return LogPage(tuple(events), LogId(entries[-1][0]) if entries else None)


def passed_by(parties: Sequence[Callable[[], Awaitable[LogId | None]]]) -> Callable[[], Awaitable[LogId | None]]:
    """Return a function that tells the last entry that all parties have passed; None while one has not begun."""

    async def passed() -> LogId | None:
        places = [place for party in parties if (place := await party()) is not None]
        return min(places, key=StreamId.parse) if len(places) == len(parties) else None

    return passed
