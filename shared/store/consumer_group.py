"""A consumer group of a stream: where it begins, and which of its entries a dead or failing consumer left behind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from redis.typing import StreamIdT

from shared.model.clock import span_ms
from shared.store import keys

log = structlog.get_logger()


@dataclass(frozen=True)
class AbandonedEntry:
    """An entry that somebody took long ago and has not acknowledged; `deliveries` counts how often it was taken."""

    id: StreamIdT
    deliveries: int


class ConsumerGroup:
    """One consumer's view of its group. The client must leave responses as bytes."""

    def __init__(self, redis: Redis, stream: str, group: str, consumer: str) -> None:
        self._redis = redis
        self._stream = stream
        self._group = group
        self._consumer = consumer

    async def ensure(self) -> None:
        """
        Create the group where there is none.

        A group that was lost begins where it had acknowledged everything when a janitor looked last, at most some
        seconds ago. A group that never was begins at the first entry, not at FastStream's `$`: entries that were
        published before the first start belong to it too.
        """
        acknowledged = await self._redis.hget(keys.ACKNOWLEDGED, keys.acknowledged_by(self._stream, self._group))
        start = acknowledged or "0"
        try:
            await self._redis.xgroup_create(self._stream, self._group, id=start, mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
            return
        if acknowledged:
            log.warning("group.recreated", stream=self._stream, group=self._group, after=start)

    async def abandoned(self, idle: timedelta, count: int) -> Sequence[AbandonedEntry]:
        """Return the first entries that nobody has claimed, or renewed the claim on, for so long."""
        found: list[dict[str, Any]] = await self._redis.xpending_range(  # Any: redis-py's reply
            self._stream, self._group, "-", "+", count, idle=span_ms(idle)
        )
        return [AbandonedEntry(one["message_id"], int(one["times_delivered"])) for one in found]

    async def claim(self, ids: Sequence[StreamIdT], idle: timedelta) -> Sequence[tuple[bytes, Mapping[bytes, bytes]]]:
        """Claim those of the entries that are still abandoned, and return them; a trimmed entry is forgotten."""
        if not ids:
            return []
        # Any: redis-py's type is the union of every reply that XCLAIM may give.
        found: Any = await self._redis.xclaim(self._stream, self._group, self._consumer, span_ms(idle), list(ids))
        return [(entry_id, fields) for entry_id, fields in found if entry_id is not None]

    async def renew(self, ids: Sequence[StreamIdT]) -> None:
        """Renew the claim on entries in hand."""
        await self._redis.xclaim(self._stream, self._group, self._consumer, 0, list(ids), justid=True)
