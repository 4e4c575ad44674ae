"""Everything that a store holds, in a form that compares."""

from datetime import datetime
from typing import Any

from redis.asyncio import Redis

from shared.model.clock import from_ms
from shared.model.listings import Listing
from shared.store import keys

# Any: redis-py's replies, which differ with the type of a key.
Contents = dict[str, Any]


async def store_contents(redis: Redis, *, without: tuple[str, ...] = ()) -> Contents:
    """Return every key with what it holds; those whose names begin like one of `without` are left out."""
    names = sorted([str(name) async for name in redis.scan_iter(count=1000)])
    kinds = {name: str(await redis.type(name)) for name in names if not name.startswith(without)}
    # What went while the others were read is "none".
    return {name: await _read(redis, name, kind) for name, kind in kinds.items() if kind != "none"}


async def newest(redis: Redis, listing: Listing) -> list[str]:
    """Return the items of a listing, the newest first."""
    return [str(member) for member in await redis.zrange(keys.newest(listing), 0, -1, desc=True)]


async def released(redis: Redis, listing: Listing) -> list[str]:
    """Return the items that the feeds of a listing list, the newest first."""
    return [str(member) for member in await redis.zrange(keys.released(listing), 0, -1, desc=True)]


async def tombstones(redis: Redis, listing: Listing) -> list[tuple[str, datetime]]:
    """Return the items withdrawn from a listing, the last one first, each with the moment of its withdrawal."""
    found: Any = await redis.zrange(keys.tombstones(listing), 0, -1, desc=True, withscores=True)
    return [(str(member), from_ms(int(score))) for member, score in found]


async def _read(redis: Redis, name: str, kind: str) -> Any:
    match kind:
        case "string":
            return await redis.get(name)
        case "hash":
            return await redis.hgetall(name)
        case "zset":
            return await redis.zrange(name, 0, -1, withscores=True)
        case "list":
            return await redis.lrange(name, 0, -1)
        case "set":
            return await redis.smembers(name)
        case "stream":
            return await redis.xrange(name)
        case other:
            raise AssertionError(f"{name} is a {other!r}")
