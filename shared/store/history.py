"""
The store's history: one line of writes, and its epoch.

A copy of the store that is put back begins another history, in which revisions get numbers again that were given out
before. Each history has an epoch of its own, and the ids of its events carry the epoch.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.model.clock import from_ms
from shared.model.stream_id import StreamId
from shared.store import keys
from shared.store.scripts import Script

EpochReason = Literal["asked", "restored", "older", "other"]
"""Somebody asked for it; an archive was restored; an older copy, or another store, was found by render."""


@dataclass(frozen=True)
class History:
    """How far the store has come."""

    born_ms: int
    """When the store first saw a site: a copy has the same moment. 0 before."""
    epoch: int
    items: StreamId
    """The last id that the stream of accepted events has given out."""
    pages: StreamId
    """The last id that the log has given out."""


@dataclass(frozen=True)
class Epoch:
    """An epoch, and why it began."""

    number: int
    began_at: datetime
    reason: str


async def read_history(redis: Redis) -> History:
    """Return how far the store has come. Raises RedisError."""
    pipe = redis.pipeline(transaction=False)
    pipe.hget(keys.SITE_RECORD, "born")
    pipe.hget(keys.HISTORY, "epoch")
    pipe.xinfo_stream(keys.ITEMS_STREAM)
    pipe.xinfo_stream(keys.PAGES_STREAM)
    born, epoch, items, pages = await pipe.execute(raise_on_error=False)
    for answer in (born, epoch):
        if isinstance(answer, Exception):
            raise answer
    return History(int(born or 0), int(epoch or 0), _last_id(items), _last_id(pages))


def _last_id(info: Any) -> StreamId:  # Any: redis-py's reply, or the error in its place
    if isinstance(info, ResponseError):
        return StreamId(0)  # there is no such stream
    if isinstance(info, Exception):
        raise info
    return StreamId.parse(str(info["last-generated-id"]))


async def read_epoch(redis: Redis) -> Epoch | None:
    """Return the epoch with its beginning, or None in epoch 0."""
    found = await redis.hgetall(keys.HISTORY)
    if not found:
        return None
    return Epoch(int(found["epoch"]), from_ms(int(found["began_ms"])), str(found["reason"]))


async def begin_epoch(redis: Redis, expected: int, epoch: int, reason: EpochReason) -> bool:
    """Begin the epoch; return False where the store is not in the expected one any more."""
    script = Script(redis, __name__, "begin_epoch.lua")
    argument = {"expected": str(expected), "epoch": str(epoch), "reason": reason}
    return bool(await script([keys.HISTORY], argument))


async def begin_next_epoch(redis: Redis, reason: EpochReason) -> int:
    """Begin the epoch after the store's and return its number."""
    while True:
        epoch = (await read_history(redis)).epoch
        if await begin_epoch(redis, epoch, epoch + 1, reason):
            return epoch + 1
