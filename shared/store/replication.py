"""Wait until replicas have a write, so that it survives a failover (CLARION_WAIT_REPLICAS)."""

from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from shared.model.errors import Unavailable
from shared.store import keys

_REPLICAS_ANSWER_WITHIN_MS = 2000


class Replication:
    """
    Waits until `wanted` replicas of the content's master have a write, before its sender is answered.

    WAIT is about the last write of its own connection, and succeeds at once on a connection that wrote nothing. So a
    mark is written before each WAIT. Replicas apply writes in order: a replica with the mark has all earlier writes.
    """

    def __init__(self, redis: Redis, wanted: int) -> None:
        self._redis = redis
        self._wanted = wanted

    @property
    def is_wanted(self) -> bool:
        return self._wanted > 0

    async def confirm(self) -> None:
        """Return when enough replicas have everything written so far. Raises Unavailable."""
        if self.is_wanted:
            async with self._redis.pipeline(transaction=False) as pipe:
                await self.execute(pipe)

    async def execute(self, pipe: Pipeline) -> list[Any]:  # Any: what the commands answer
        """Execute the pipeline and return its answers when enough replicas have its writes. Raises Unavailable."""
        if self.is_wanted:
            pipe.set(keys.REPLICATION_MARK, "")
            pipe.wait(self._wanted, _REPLICAS_ANSWER_WITHIN_MS)
        answers = await pipe.execute()
        if not self.is_wanted:
            return answers
        *answers, _, replicas = answers
        if replicas < self._wanted:
            raise Unavailable(f"{replicas} replicas have it, {self._wanted} must: repeat the same request")
        return answers
