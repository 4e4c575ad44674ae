"""Events that were given up: kept with the reason, to be looked at and replayed."""

from redis.asyncio import Redis

from shared import keys
from shared.lua import load_script
from shared.metrics import dead_letters_total


class DeadLetters:
    """The dead letters of the content streams."""

    def __init__(self, redis: Redis) -> None:
        self._bury = load_script(redis, "shared", "bury_entry.lua")

    async def bury(self, stream: str, group: str, entry_id: str, reason: str) -> None:
        """Move a pending entry to the dead letters and acknowledge it; doing it again changes nothing."""
        if await self._bury(keys=[stream, keys.DEAD_LETTERS], args=[group, entry_id, reason]):
            dead_letters_total.labels(stream).inc()
