"""Rebuild the site when somebody asks for it, and tell how far it is."""

import asyncio
import contextlib

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.render.output.volume import Output
from services.render.rebuild.rebuild import Progress, Rebuild
from shared.runtime.background import background
from shared.store.rebuild_request import fulfil_rebuild, note_rebuilding, read_rebuild_wish

log = structlog.get_logger()

_LOOK_EVERY_SECONDS = 2
_TELL_EVERY_SECONDS = 1


class RebuildOnDemand:
    """Fulfils wishes; of several replicas one does, because of the lock on the output."""

    def __init__(self, redis: Redis, rebuild: Rebuild, output: Output) -> None:
        self._redis = redis
        self._rebuild = rebuild
        self._output = output
        self._progress: Progress | None = None

    async def run(self) -> None:
        """Look for a wish now and then, until cancelled."""
        while True:
            try:
                if await self._is_wished():
                    await self._fulfil()
            except (RedisError, OSError) as error:
                log.warning("rebuild.waiting", reason=repr(error))
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def _is_wished(self) -> bool:
        wish = await read_rebuild_wish(self._redis)
        return wish is not None and wish.is_open

    async def _fulfil(self) -> None:
        async with self._output.locked("rebuilds", [""]):
            if not await self._is_wished():
                return
            async with background(self._tell()):
                await self._rebuild.run(watch=self._watch)
            await fulfil_rebuild(self._redis)

    def _watch(self, progress: Progress) -> None:
        self._progress = progress

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(_TELL_EVERY_SECONDS)
            if self._progress is not None:
                with contextlib.suppress(RedisError, OSError):  # the next telling says the same
                    await note_rebuilding(self._redis, self._progress.step, self._progress.done, self._progress.total)
