"""How far an item has come, as its sender may ask."""

from redis.asyncio import Redis

from services.ingest.answers import Accepted, Announced, Receipt, Timeline
from services.ingest.stream_walk import walk
from shared import keys
from shared.clock import from_ms, to_ms
from shared.items import Item, Revision

# An announcement follows its event within a second, unless render is down; this many entries of the log are looked at.
_LOOK_AHEAD = 2000


class Timelines:
    """Reads the marks that each service leaves."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def of(self, item: Item, latest: Revision, receipt: Receipt) -> Timeline:
        """Return the item's timeline."""
        return Timeline(
            id=item.id,
            source=item.source,
            external_id=item.external_id,
            state=item.state,
            revision=item.latest,
            url=receipt.url,
            scheduled=receipt.scheduled,
            accepted=Accepted(at=latest.accepted_at, revision=latest.number, event_id=item.event_id),
            announced=await self._announced(item, latest),
            unrenderable=item.unrenderable_reason or None if item.unrenderable else None,
        )

    async def _announced(self, item: Item, latest: Revision) -> Announced | None:
        if item.event_id is None or item.announced < item.last_event:
            return None
        moments = [latest.accepted_at, item.released_at] if item.last_event == latest.number else []
        start = str(max((to_ms(moment) for moment in moments if moment), default=to_ms(item.accepted_at)))
        looked_at = 0
        async for entry, fields in walk(self._redis, keys.PAGES_STREAM, start):
            looked_at += 1
            if fields.get("id") == item.event_id:
                return Announced(at=from_ms(int(entry.partition("-")[0])), log_id=entry)
            if looked_at == _LOOK_AHEAD:
                break
        return None
