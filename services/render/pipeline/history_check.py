"""Find out that the store was put back, or is another one, before anything of it is announced."""

from collections.abc import Sequence
from dataclasses import replace

import structlog
from redis.asyncio import Redis

from services.render.output.history import VolumeHistory
from services.render.output.volume import Output
from services.render.pipeline.announcing import OtherHistory
from shared.model.errors import Unavailable
from shared.model.ids import ItemId
from shared.model.stream_id import StreamId
from shared.store import keys
from shared.store.history import EpochReason, History, begin_epoch, read_history
from shared.store.rebuild_request import request_rebuild
from shared.store.scripts import Script
from shared.store.stream_walk import walk
from shared.store.streams import Entry, Handle

log = structlog.get_logger()


class HistoryCheck:
    """
    Compares the store's history with the volume's.

    An older copy of the store, and another store, get a new epoch, so that no event id repeats for another content.
    Over an older copy the site is written anew, because the volume has pages that the copy knows nothing of. Over
    another store the pages stay until somebody asks: they may be all that is left.
    """

    def __init__(self, redis: Redis, output: Output, volume: VolumeHistory) -> None:
        self._redis = redis
        self._output = output
        self._volume = volume
        self._adopt = Script(redis, __name__, "adopt_epoch.lua")
        self._is_rebuild_wanted = False

    def watching(self, handle: Handle) -> Handle:
        """Return `handle`, noting what is worked; a batch of another history is settled and tried again."""

        async def handle_watched(entries: Sequence[Entry]) -> None:
            self._volume.advance(items=max(StreamId.parse(entry.id) for entry in entries))
            try:
                await handle(entries)
            except OtherHistory:
                await self.look()
                raise

        return handle_watched

    async def look(self) -> None:
        """Make store and volume of one history while render is at work. Raises RedisError, OSError."""
        if await self.settle():
            self._is_rebuild_wanted = True
        # A rebuild that somebody wished for before is no answer: it may be past the pages that are stale now.
        if self._is_rebuild_wanted and await request_rebuild(self._redis, "render: another history of the store"):
            self._is_rebuild_wanted = False

    async def settle(self) -> bool:
        """
        Make store and volume of one history; return whether the site must be written anew, as a start of render does.

        Raises RedisError, OSError.
        """
        async with self._output.locked("lists", [".history"]):
            mark, found = self._volume.read(), await read_history(self._redis)
            if mark is None:
                self._volume.keep(found)
            elif _is_one_history(mark, found):
                self._volume.follow(mark)
            else:
                return await self._settle(mark, found)
        return False

    async def _settle(self, mark: History, found: History) -> bool:
        reason: EpochReason = "older" if mark.born_ms == found.born_ms else "other"
        epoch = max(found.epoch, mark.epoch + 1)
        if found.epoch < epoch and not await begin_epoch(self._redis, found.epoch, epoch, reason):
            raise Unavailable("somebody else begins an epoch of the store")
        log.critical("history.left", reason=reason, epoch=epoch, worked=str(mark.pages), store=str(found.pages))
        await self._adopt_events_after(mark.pages, epoch)
        if reason == "older":
            self._output.mark_built("")
        self._volume.keep(replace(found, epoch=epoch))
        return reason == "older"

    async def _adopt_events_after(self, worked: StreamId, epoch: int) -> None:
        """
        Give the new epoch to events that were accepted before anybody knew that another history has begun.

        They are younger than what was announced last in the history that was left; what the copy has is older.
        """
        async for _, fields in walk(self._redis, keys.ITEMS_STREAM, f"({worked}"):
            if "item_id" in fields and "revision" in fields:
                argument = {"revision": fields["revision"], "epoch": str(epoch)}
                await self._adopt([keys.item(ItemId(fields["item_id"]))], argument)


def _is_one_history(mark: History, found: History) -> bool:
    return (
        (mark.born_ms, mark.epoch) == (found.born_ms, found.epoch)
        and mark.items <= found.items
        and mark.pages <= found.pages
    )
