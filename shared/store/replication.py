"""Wait until replicas have what was written: what an answer promises over a failover, with CLARION_WAIT_REPLICAS."""

from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from shared.model.errors import Unavailable
from shared.store import keys

_REPLICAS_ANSWER_WITHIN_MS = 2000


class Replication:
    """
    Knows how many replicas of the content's master must have a write before anyone is told of it.

    WAIT speaks of what its own connection wrote last, and says yes to one that wrote nothing; so each time a mark is
    written before it. Replicas take writes in order: one that has the mark has everything that came before.
    """

    def __init__(self, redis: Redis, wanted: int) -> None:
        self._redis = redis
        self._wanted = wanted

    @property
    def is_wanted(self) -> bool:
        return self._wanted > 0

    async def confirm(self) -> None:
        """Return once everything written so far is where it must be. Raises Unavailable."""
        if self.is_wanted:
            async with self._redis.pipeline(transaction=False) as pipe:
                await self.execute(pipe)

    async def execute(self, pipe: Pipeline) -> list[Any]:  # Any: what the commands answer
        """Return the answers to what is staged in the pipeline once that is where it must be. Raises Unavailable."""
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
