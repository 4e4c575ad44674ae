"""While the output volume takes no files: say so, and go on removing pages, which needs no room."""

from collections.abc import Sequence

import structlog
from redis.asyncio import Redis

from services.render.pipeline.batch import event_of
from services.render.pipeline.consumer import ItemEventConsumer
from shared.store import keys
from shared.store.stream_walk import walk
from shared.store.streams import Entry, Handle

log = structlog.get_logger()

# A batch that waits is tried again every five seconds.
_SAID_FOR_SECONDS = 60


class VolumeTrouble:
    """
    Watches a handler of events meet errors of the volume (no room, read-only, unreadable, away).

    The batch in hand waits for the volume, and events behind the batch are not read meanwhile. A withdrawal must not
    wait: its page is removed at once, though lists may name the page until they can be written.
    """

    def __init__(self, redis: Redis, consumer: ItemEventConsumer) -> None:
        self._redis = redis
        self._consumer = consumer
        self._waiting: set[str] = set()
        self._looked_up_to: str | None = None
        self.reason = ""
        """Why the volume takes no files; empty while it takes them."""

    def watching(self, handle: Handle) -> Handle:
        """Return `handle`, watched."""

        async def handle_watched(entries: Sequence[Entry]) -> None:
            try:
                await handle(entries)
            except OSError as error:
                await self._begin(entries, error)
                await self._remove_withdrawn(entries[0].id)
                raise
            if self._waiting:
                await self._end(entries)

        return handle_watched

    async def _begin(self, entries: Sequence[Entry], error: OSError) -> None:
        # Not the error's own words: they name folders, and whoever asks /readyz may read them.
        reason = f"the output volume takes no files: {error.strerror or type(error).__name__}"
        if reason != self.reason:
            log.error("output.refuses_files", reason=repr(error))
        self.reason = reason
        self._waiting.update(entry.id for entry in entries)
        await self._redis.set(keys.OUTPUT_TROUBLE, reason, ex=_SAID_FOR_SECONDS)

    async def _end(self, entries: Sequence[Entry]) -> None:
        self._waiting.difference_update(entry.id for entry in entries)
        if not self._waiting:
            log.info("output.takes_files")
            self.reason, self._looked_up_to = "", None
            await self._redis.delete(keys.OUTPUT_TROUBLE)

    async def _remove_withdrawn(self, first_waiting: str) -> None:
        """Remove the pages of items that were withdrawn since the first event that waits."""
        start = f"({self._looked_up_to}" if self._looked_up_to else first_waiting
        withdrawals = []
        async for entry_id, fields in walk(self._redis, keys.ITEMS_STREAM, start):
            entry = Entry(entry_id, dict(fields))
            if fields.get("type") == "item.withdrawn.v1" and event_of(entry) is not None:
                withdrawals.append(entry)
            self._looked_up_to = entry_id
        if withdrawals:
            await self._consumer.remove_withdrawn(withdrawals)
