"""Advance every delivery shard to the end of the log whenever the log grows."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.notify.delivery.shard_advance import LogReading, ShardAdvance
from services.notify.log.event_log import EventLog
from services.notify.subscriptions.store import SubscriptionStore
from shared.store import keys
from shared.store.dead_letters import DeadLetters
from shared.store.streams import Entry

log = structlog.get_logger()

GROUP = "notify"
Follow = Callable[[LogReading], Awaitable[None]]
_BACK_OFF_SECONDS = 0.5
# Shards without subscriptions move along, too, this often, so that the log can be trimmed.
_MOVE_ALL_SECONDS = 1.0


class LogConsumer:
    """
    Consumes the log's stream as a doorbell: an entry only says that the log has grown.

    Each shard's cursor says how far the shard has read the log. So an entry that comes twice enqueues nothing twice,
    and an entry that is missed is found when the next one comes.
    """

    def __init__(
        self,
        redis: Redis,
        store: SubscriptionStore,
        event_log: EventLog,
        advance: ShardAdvance,
        on_enqueued: Callable[[], None],
    ) -> None:
        self._redis = redis
        self._dead_letters = DeadLetters(redis)
        self._store = store
        self._event_log = event_log
        self._advance = advance
        self._on_enqueued = on_enqueued
        self._passing = asyncio.Lock()
        self._bell = asyncio.Event()
        self._move_all_at = 0.0
        self._followers: list[Follow] = []

    def follow(self, follow: Follow) -> None:
        """Call `follow`, too, whenever the log has grown."""
        self._followers.append(follow)

    def ring(self) -> None:
        """Advance at once, although the log may not have grown: a subscription was resumed."""
        self._bell.set()

    async def run(self) -> None:
        """Advance now, for events that were announced while no process ran, and whenever `ring` is called."""
        self.ring()
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
        """Advance, and acknowledge the entries afterwards."""
        await self.advance_all()
        await self._redis.xack(keys.PAGES_STREAM, GROUP, *(entry.id for entry in entries))

    async def advance_all(self) -> None:
        """Advance every shard to the present end of the log."""
        # One pass at a time: a second pass would lose every compare-and-set against the first.
        async with self._passing:
            moves_all = time.monotonic() >= self._move_all_at
            if moves_all:
                self._move_all_at = time.monotonic() + _MOVE_ALL_SECONDS
            reading = await LogReading.begun(self._event_log, moves_all=moves_all)
            if not moves_all:
                await self._store.refresh_all()
            shards = [one for one in self._store.mirrors if moves_all or one.live_listeners or one.catching_up]
            following = asyncio.gather(*(follow(reading) for follow in self._followers))
            enqueued, _ = await asyncio.gather(
                asyncio.gather(*(self._advance.to_end(mirror, reading) for mirror in shards)), following
            )
        if any(enqueued):
            self._on_enqueued()

    async def bury(self, entry: Entry, reason: str) -> None:
        """Move an entry that could not be handled to the dead letters, and acknowledge it."""
        await self._dead_letters.bury(keys.PAGES_STREAM, GROUP, entry.id, reason)
