"""The request to write the whole site anew: an operator makes it, render carries it out and tells how far it is."""

from dataclasses import dataclass
from datetime import datetime

from redis.asyncio import Redis

from shared.model.clock import from_ms, store_now, to_ms
from shared.store import keys


@dataclass(frozen=True)
class RebuildRequest:
    """
    The last request, and how far render is with it.

    open: from `asked_at`. While render rebuilds, `step`, `done` and `total` tell how far it is.
    finished: from `finished_at` until the next request.
    """

    asked_by: str
    asked_at: datetime
    step: str = ""
    done: int = 0
    total: int = 0
    finished_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.finished_at is None


async def request_rebuild(redis: Redis, who: str) -> bool:
    """Ask for a rebuild; return False if an earlier request is still open."""
    last = await read_rebuild_request(redis)
    if last is not None and last.is_open:
        return False
    asked_ms = to_ms(await store_now(redis))
    async with redis.pipeline(transaction=True) as together:
        together.delete(keys.REBUILD)
        together.hset(keys.REBUILD, mapping={"asked_by": who, "asked_at": asked_ms})
        await together.execute()
    return True


async def read_rebuild_request(redis: Redis) -> RebuildRequest | None:
    """Return the last request, or None if there never was one."""
    found = await redis.hgetall(keys.REBUILD)
    if "asked_at" not in found:
        return None
    finished = found.get("finished_at")
    return RebuildRequest(
        asked_by=str(found["asked_by"]),
        asked_at=from_ms(int(found["asked_at"])),
        step=str(found.get("step", "")),
        done=int(found.get("done", 0)),
        total=int(found.get("total", 0)),
        finished_at=from_ms(int(finished)) if finished else None,
    )


async def note_rebuild_progress(redis: Redis, step: str, done: int, total: int) -> None:
    """Write how far the rebuild is."""
    await redis.hset(keys.REBUILD, mapping={"step": step, "done": done, "total": total})


async def finish_rebuild(redis: Redis) -> None:
    """Write that the rebuild is finished."""
    await redis.hset(keys.REBUILD, "finished_at", str(to_ms(await store_now(redis))))
