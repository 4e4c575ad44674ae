"""The numbered record of the site file and theme in use: the same for all services, whatever file each has read."""

from dataclasses import dataclass
from datetime import datetime

from redis.asyncio import Redis

from shared.model.clock import from_ms, store_now, to_ms
from shared.store import keys
from shared.store.scripts import Script


@dataclass(frozen=True)
class SiteRecord:
    """What the store knows of the site."""

    number: int
    fingerprint: str
    born_at: datetime
    """When the store first saw a site: what a feed without entries says it was updated at."""


async def adopt_site(redis: Redis, fingerprint: str) -> SiteRecord:
    """Return the record, numbered anew if the site or its theme is not the one in the store."""
    now = to_ms(await store_now(redis))
    script = Script(redis, __name__, "adopt_site.lua")
    number, born_ms = await script([keys.SITE_RECORD], {"fingerprint": fingerprint, "now_ms": now})
    return SiteRecord(int(number), fingerprint, from_ms(int(born_ms)))


async def read_site(redis: Redis) -> SiteRecord | None:
    """Return the record as it is, or None where the store has not seen a site yet."""
    found = await redis.hgetall(keys.SITE_RECORD)
    if not found:
        return None
    return SiteRecord(int(found["number"]), str(found["fingerprint"]), from_ms(int(found["born"])))
