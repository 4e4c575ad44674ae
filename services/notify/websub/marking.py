"""Follow the log for WebSub: mark the subscriptions to each feed that an entry names, in every shard."""

import asyncio
import time
from collections.abc import Callable, Sequence

from redis.asyncio import Redis

from services.notify.delivery.shard_advance import LogReading
from services.notify.model.log_position import LOG_START, is_before
from services.notify.websub.subscriptions import script_keys
from shared.model.ids import LogId
from shared.model.stream_id import StreamId
from shared.store.keys import Shard
from shared.store.scripts import Script, ScriptCall, run_scripts

_MOVE_IDLE_SECONDS = 1.0


class FeedMarking:
    """
    Marks subscriptions as due.

    The marks and the shard's cursor move in one script, so a crash skips no entry. Marking is idempotent, so an entry
    that is read twice does no harm.
    """

    def __init__(self, redis: Redis, shards: Sequence[Shard], on_marked: Callable[[], None]) -> None:
        self._redis = redis
        self._shards = tuple(shards)
        self._on_marked = on_marked
        self._move_idle_at = 0.0
        self._script = Script(redis, __name__, "mark.lua", prelude="keys.lua")

    async def to_end(self, reading: LogReading) -> None:
        """Mark for every entry up to the end that the log had when the reading began."""
        marked = await asyncio.gather(*(self._shard_to_end(*one, reading) for one in await self._worth_moving()))
        if any(marked):
            self._on_marked()

    async def mark(self, path: str) -> None:
        """Mark the subscriptions to this feed, except those that wait for their next attempt."""
        calls = [ScriptCall(self._script, script_keys(shard), {"paths": [path]}) for shard in self._shards]
        if any(await run_scripts(self._redis, calls)):
            self._on_marked()

    async def _worth_moving(self) -> list[tuple[Shard, bool]]:
        """Return the shards that have subscriptions; once a second all shards, so that the log can be trimmed."""
        pipeline = self._redis.pipeline(transaction=False)
        for shard in self._shards:
            pipeline.exists(shard.websub_topics)
        are_wanted = await pipeline.execute()
        is_time = time.monotonic() >= self._move_idle_at
        if is_time:
            self._move_idle_at = time.monotonic() + _MOVE_IDLE_SECONDS
        shards = zip(self._shards, are_wanted, strict=True)
        return [(shard, bool(is_wanted)) for shard, is_wanted in shards if is_wanted or is_time]

    async def _shard_to_end(self, shard: Shard, is_wanted: bool, reading: LogReading) -> int:
        marked = 0
        while True:
            seen = LogId(str(await self._redis.get(shard.websub_cursor) or LOG_START))
            if not is_before(seen, reading.newest):
                return marked
            entries = await reading.after(max(seen, reading.trimmed, key=StreamId.parse)) if is_wanted else ()
            # A shard without subscriptions moves to the end at once and reads nothing.
            after = entries[-1].log_id if entries else reading.newest
            paths = sorted({path for entry in entries if entry.event for path in entry.event.feeds})
            marked += max(0, await self._script(script_keys(shard), {"seen": seen, "after": after, "paths": paths}))
