"""Carry out the rebuilds that an operator requests, and report their progress to the store."""

import asyncio
import contextlib

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.render.output.volume import Output
from services.render.rebuild.rebuild import Rebuild, RebuildProgress
from shared.runtime.background import background, repeated
from shared.store.rebuild_request import finish_rebuild, note_rebuild_progress, read_rebuild_request

_LOOK_EVERY_SECONDS = 2
_REPORT_EVERY_SECONDS = 1


class RebuildOnDemand:
    """Carries out requests for a rebuild. A lock on the output keeps other replicas from carrying out the same one."""

    def __init__(self, redis: Redis, rebuild: Rebuild, output: Output) -> None:
        self._redis = redis
        self._rebuild = rebuild
        self._output = output
        self._progress: RebuildProgress | None = None

    async def run(self) -> None:
        """Look for a request every 2 seconds, until cancelled."""
        await repeated(self._step, _LOOK_EVERY_SECONDS, "rebuild.waiting")

    async def _step(self) -> None:
        if not await self._is_requested():
            return
        async with self._output.locked("rebuilds", [""]):
            # Another replica may have carried it out while this one waited for the lock.
            if not await self._is_requested():
                return
            async with background(self._report()):
                await self._rebuild.run(on_progress=self._on_progress)
            await finish_rebuild(self._redis)

    async def _is_requested(self) -> bool:
        request = await read_rebuild_request(self._redis)
        return request is not None and request.is_open

    def _on_progress(self, progress: RebuildProgress) -> None:
        self._progress = progress

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(_REPORT_EVERY_SECONDS)
            if self._progress is not None:
                with contextlib.suppress(RedisError, OSError):  # the next report says the same
                    await note_rebuild_progress(
                        self._redis, self._progress.step, self._progress.done, self._progress.total
                    )
