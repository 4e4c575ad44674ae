"""The wish that the whole site be written anew: whoever may ask notes it here, and render does it."""

from dataclasses import dataclass
from datetime import datetime

from redis.asyncio import Redis

from shared.model.clock import from_ms, store_now, to_ms
from shared.store import keys


@dataclass(frozen=True)
class RebuildWish:
    """
    The last wish, and what came of it.

    open: from its asking; render takes it up, and `step`, `done` and `total` tell how far it is.
    finished: from `finished_at`, until somebody asks again.
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


async def wish_for_rebuild(redis: Redis, who: str) -> bool:
    """Ask that the site be written anew; return False where somebody's wish is still open."""
    last = await read_rebuild_wish(redis)
    if last is not None and last.is_open:
        return False
    asked_ms = to_ms(await store_now(redis))
    async with redis.pipeline(transaction=True) as together:
        together.delete(keys.REBUILD)
        together.hset(keys.REBUILD, mapping={"asked_by": who, "asked_at": asked_ms})
        await together.execute()
    return True


async def read_rebuild_wish(redis: Redis) -> RebuildWish | None:
    """Return the last wish, or None where there never was one."""
    found = await redis.hgetall(keys.REBUILD)
    if "asked_at" not in found:
        return None
    finished = found.get("finished_at")
    return RebuildWish(
        asked_by=str(found["asked_by"]),
        asked_at=from_ms(int(found["asked_at"])),
        step=str(found.get("step", "")),
        done=int(found.get("done", 0)),
        total=int(found.get("total", 0)),
        finished_at=from_ms(int(finished)) if finished else None,
    )


async def note_rebuilding(redis: Redis, step: str, done: int, total: int) -> None:
    """Tell how far it is."""
    await redis.hset(keys.REBUILD, mapping={"step": step, "done": done, "total": total})


async def fulfil_rebuild(redis: Redis) -> None:
    """Note that the site has been written."""
    await redis.hset(keys.REBUILD, "finished_at", str(to_ms(await store_now(redis))))
