"""
How much of the volume is surely on the disk, so that a crash of the machine leaves no torn page unseen.

Pages get their names without waiting for the disk: after a power cut a file may be empty though its time is right. Now
and then everything is synced, and the mark says since when, and up to which event, that holds. After a start of the
machine (not of the process: the kernel keeps what a killed process wrote) every file that was written since the mark is
written again, and so are the pages of every event since; nothing new is announced before. A file that is whole stays.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.render.output.syncing import sync
from services.render.output.volume import Output
from shared.model.stream_id import StreamId
from shared.store import keys
from shared.store.streams import Entry, Handle

log = structlog.get_logger()

_SYNC_EVERY_SECONDS = 60
_CHECKED_AT_ONCE = 50
_WAIT_SECONDS = 1
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class _SyncPoint(BaseModel):
    """The last event whose pages are on the disk, like those of every event before it."""

    boot: str
    entry: str
    since_ns: int | None = None
    """Files that were written before this moment are on the disk; None in a mark of an older release."""


class SyncMark:
    """Keeps the mark, and checks what is newer than it."""

    def __init__(
        self,
        redis: Redis,
        output: Output,
        check: Callable[[Sequence[Entry]], Awaitable[None]],
        rewrite: Callable[[Sequence[str]], Awaitable[None]],
    ) -> None:
        """`check` writes the pages of events again without announcing them, `rewrite` the files at some paths."""
        self._redis = redis
        self._output = output
        self._check = check
        self._rewrite = rewrite
        self._is_checked = asyncio.Event()

    def guarding(self, handle: Handle) -> Handle:
        """Return `handle`, which waits until the volume is known to be whole."""

        async def handle_checked(entries: Sequence[Entry]) -> None:
            await self._is_checked.wait()
            await handle(entries)

        return handle_checked

    async def run(self, whole: Callable[[], Awaitable[None]]) -> None:
        """
        Check what a crash of the machine may have torn, then keep the mark until cancelled.

        `whole` writes what is missing of the volume: the check may have found that it cannot tell.
        """
        await _until_done(self.check_after_crash)
        self._is_checked.set()
        await whole()
        while True:
            await _until_done(self.keep)
            await asyncio.sleep(_SYNC_EVERY_SECONDS)

    async def keep(self) -> None:
        """Sync the volume and note since when, and up to which event, that holds."""
        done, since_ns = await self._done(), self._output.now_ns()
        await asyncio.to_thread(sync, self._output.root)
        self._output.keep_synced(_SyncPoint(boot=_boot(), entry=done, since_ns=since_ns).model_dump_json())

    async def check_after_crash(self) -> int:
        """Write what was written since the mark again if the machine has started since; return how many events."""
        mark = self._mark()
        if mark is None or mark.boot == _boot():
            return 0
        # A rebuild that was interrupted cannot tell which of its files are on the disk.
        self._output.keep_mark(None)
        if mark.since_ns is not None:
            torn = await asyncio.to_thread(list, self._output.changed_since(mark.since_ns))
            await self._rewrite(torn)
            log.info("sync.rewritten", files=len(torn))
        # Any: redis-py's replies are unions of everything.
        trimmed: Any = await self._redis.hget(keys.TRIMMED, keys.ITEMS_STREAM)
        if trimmed is not None and StreamId.parse(trimmed) > StreamId.parse(mark.entry):
            log.warning("sync.mark_too_old", mark=mark.entry)
            self._output.mark_built("")
            return 0
        checked = 0
        while found := await self._after(mark.entry):
            await self._check(found)
            checked += len(found)
            mark = mark.model_copy(update={"entry": found[-1].id})
        log.info("sync.checked", events=checked)
        return checked

    def _mark(self) -> _SyncPoint | None:
        try:
            return _SyncPoint.model_validate_json(self._output.synced() or "")
        except ValidationError:
            return None

    async def _after(self, entry: str) -> Sequence[Entry]:
        # Any: see check_after_crash
        found: Any = await self._redis.xrange(keys.ITEMS_STREAM, f"({entry}", count=_CHECKED_AT_ONCE)
        return [Entry(entry_id, fields) for entry_id, fields in found]

    async def _done(self) -> str:
        """Return the last entry before the first that is not acknowledged."""
        pending: Any = await self._redis.xpending(keys.ITEMS_STREAM, keys.RENDER_GROUP)  # Any: see check_after_crash
        if pending["pending"]:
            return str(StreamId.parse(pending["min"]).previous)
        groups: Any = await self._redis.xinfo_groups(keys.ITEMS_STREAM)  # Any: see check_after_crash
        return next((str(group["last-delivered-id"]) for group in groups if group["name"] == keys.RENDER_GROUP), "0-0")


async def _until_done(step: Callable[[], Awaitable[object]]) -> None:
    while True:
        try:
            await step()
        except (RedisError, OSError) as error:
            log.warning("sync.waiting", reason=repr(error))
            await asyncio.sleep(_WAIT_SECONDS)
        else:
            return


def _boot() -> str:
    """Return what changes with every start of the machine; nothing where the system does not tell."""
    return _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""
