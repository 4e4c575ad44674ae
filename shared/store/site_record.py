"""The site file and theme in use, under a number that all services share, whichever file each has read."""

from dataclasses import dataclass
from datetime import datetime

from redis.asyncio import Redis

from shared.model.clock import from_ms
from shared.store import keys
from shared.store.scripts import Script


@dataclass(frozen=True)
class SiteRecord:
    """The site as the store knows it; `number` grows with each change of site file or theme."""

    number: int
    fingerprint: str
    born_at: datetime
    """When the store first saw a site: the `updated` of a feed without entries."""


async def adopt_site(redis: Redis, fingerprint: str) -> SiteRecord:
    """Return the record, under the next number if the fingerprint has changed."""
    number, born_ms = await Script(redis, __name__, "adopt_site.lua")([keys.SITE_RECORD], {"fingerprint": fingerprint})
    return SiteRecord(int(number), fingerprint, from_ms(int(born_ms)))


async def read_site(redis: Redis) -> SiteRecord | None:
    """Return the record, or None if the store has not seen a site yet."""
    found = await redis.hgetall(keys.SITE_RECORD)
    if not found:
        return None
    return SiteRecord(int(found["number"]), str(found["fingerprint"]), from_ms(int(found["born"])))
