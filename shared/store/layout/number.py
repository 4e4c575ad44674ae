"""
The number of the store's layout, and which layouts this release works with.

A release reads its own layout and the one before, and writes nothing that the release before would misread at rest,
until `clarion migrate`. A store that was written before there was a number has layout 1.
"""

from redis.asyncio import Redis

from shared.model.errors import Broken
from shared.store import keys
from shared.store.scripts import Script

NEWEST_LAYOUT = 2
"""The layout of this release; it reads the one before, too."""


class NewerStore(Broken):
    """A later release has written the store, and this one would misread it."""


async def read_layout(redis: Redis) -> int:
    """Return the number of the store's layout. Raises RedisError."""
    return int(await redis.get(keys.FORMAT) or 1)


async def require_known_layout(redis: Redis) -> int:
    """Return the number of the store's layout. Raises NewerStore for one that this release does not know."""
    return _known(await read_layout(redis))


async def begin_layout(redis: Redis) -> int:
    """Return the number as a service does at its start: a store that nobody has written to gets the newest layout."""
    begin = Script(redis, __name__, "begin_layout.lua")
    written_first = [keys.SITE_RECORD, keys.ITEMS_STREAM, keys.PATHS, keys.SCHEDULED, keys.SHARDS]
    return _known(int(await begin([keys.FORMAT, *written_first], {"newest": str(NEWEST_LAYOUT)})))


def _known(layout: int) -> int:
    if layout > NEWEST_LAYOUT:
        raise NewerStore(
            f"the store has layout {layout} and this release knows layouts up to {NEWEST_LAYOUT}: "
            "start the release that migrated the store, or a later one"
        )
    return layout
