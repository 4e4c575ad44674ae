"""Follow the log for WebSub: mark the subscriptions to each feed that an entry names, in every shard."""

import asyncio
from collections.abc import Callable, Sequence

from redis.asyncio import Redis

from services.notify.delivery.shard_advance import LogReading
from services.notify.model.log_position import LOG_START, is_before
from services.notify.websub.subscriptions import script_keys
from shared.model.ids import LogId
from shared.model.stream_id import StreamId
from shared.store.keys import Shard
from shared.store.scripts import Script, ScriptCall, run_scripts


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
        self._script = Script(redis, __name__, "mark_feeds.lua", prelude="keys.lua")

    async def to_end(self, reading: LogReading) -> None:
        """Mark for every entry up to the end that the log had when the reading began."""
        pipeline = self._redis.pipeline(transaction=False)
        for shard in self._shards:
            pipeline.exists(shard.websub_topics)
        shards = zip(self._shards, await pipeline.execute(), strict=True)
        moving = [self._shard_to_end(one, bool(has), reading) for one, has in shards if has or reading.moves_all]
        if any(await asyncio.gather(*moving)):
            self._on_marked()

    async def mark(self, path: str) -> None:
        """Mark the subscriptions to this feed, except those that wait for their next attempt."""
        calls = [ScriptCall(self._script, script_keys(shard), {"paths": [path]}) for shard in self._shards]
        if any(await run_scripts(self._redis, calls)):
            self._on_marked()

    async def _shard_to_end(self, shard: Shard, has_topics: bool, reading: LogReading) -> int:
        marked = 0
        while True:
            seen = LogId(str(await self._redis.get(shard.websub_cursor) or LOG_START))
            if not is_before(seen, reading.newest):
                return marked
            entries = await reading.after(max(seen, reading.trimmed, key=StreamId.parse)) if has_topics else ()
            # A shard without subscriptions moves to the end at once and reads nothing.
            after = entries[-1].log_id if entries else reading.newest
            paths = sorted({path for entry in entries if entry.event for path in entry.event.feeds})
            marked += max(0, await self._script(script_keys(shard), {"seen": seen, "after": after, "paths": paths}))
