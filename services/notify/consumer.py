"""Hear that the log has grown, and bring every delivery shard to its end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from redis.typing import EncodableT

from services.notify.event_log import EventLog
from services.notify.shard_advance import LogReading, ShardAdvance
from services.notify.subscription_store import SubscriptionStore
from shared import keys, metrics
from shared.streams import Entry

log = structlog.get_logger()

GROUP = "notify"
_BACK_OFF_SECONDS = 0.5


class LogConsumer:
    """
    The doorbell of the log: what an entry says does not matter here, only that it came.

    The log itself is the truth, and each shard's cursor tells how far it was handled. So an entry that comes twice
    enqueues nothing twice, and one that nobody heard is found by the next.
    """

    def __init__(
        self, redis: Redis, store: SubscriptionStore, event_log: EventLog, on_enqueued: Callable[[], None]
    ) -> None:
        self._redis = redis
        self._store = store
        self._event_log = event_log
        self._advance = ShardAdvance(redis, store, event_log)
        self._on_enqueued = on_enqueued
        self._passing = asyncio.Lock()
        self._bell = asyncio.Event()

    def ring(self) -> None:
        """Advance soon, although the log may not have grown: a subscription was resumed."""
        self._bell.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Advance now, for what was announced while nobody listened, and whenever the bell rings."""
        self.ring()
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._bell.wait()
            self._bell.clear()
            try:
                await self.advance_all()
            except (RedisError, OSError) as error:
                log.warning("fan_out.waiting", reason=repr(error), seconds=_BACK_OFF_SECONDS)
                await asyncio.sleep(_BACK_OFF_SECONDS)
                self.ring()

    async def on_entries(self, entries: Sequence[Entry]) -> None:
        """Handle a batch of the stream: advance, and only then acknowledge."""
        await self.advance_all()
        await self._redis.xack(keys.PAGES_STREAM, GROUP, *(entry.id for entry in entries))

    async def advance_all(self) -> None:
        """Bring every shard to what is the end of the log now."""
        # One pass at a time: a second one would only lose every race against the first.
        async with self._passing:
            reading = LogReading(self._event_log)
            passes = [self._advance.to_end(mirror, reading) for mirror in self._store.mirrors]
            enqueued = await asyncio.gather(*passes)
        if any(enqueued):
            self._on_enqueued()

    async def bury(self, entry: Entry, reason: str) -> None:
        """Keep an entry that could not be handled where people look for it, and acknowledge it."""
        letter: dict[EncodableT, EncodableT] = dict(entry.fields.items())
        letter |= {"stream": keys.PAGES_STREAM, "entry": entry.id, "reason": reason}
        await self._redis.xadd(keys.DEAD_LETTERS, letter)
        await self._redis.xack(keys.PAGES_STREAM, GROUP, entry.id)
        metrics.dead_letters_total.labels(stream="pages").inc()
