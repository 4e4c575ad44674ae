"""Walk along a stream, a part at a time."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from redis.asyncio import Redis

_READ_AT_ONCE = 500


async def walk(redis: Redis, stream: str, start: str = "-") -> AsyncIterator[tuple[str, Mapping[str, str]]]:
    """Yield every entry from `start` on, with its id."""
    while True:
        # Any: redis-py's type is the union of every reply that XRANGE may give.
        chunk: Any = await redis.xrange(stream, start, "+", count=_READ_AT_ONCE)
        for entry, fields in chunk:
            yield entry, fields
        if len(chunk) < _READ_AT_ONCE:
            return
        start = f"({chunk[-1][0]}"
