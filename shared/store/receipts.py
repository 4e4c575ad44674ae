"""
The receipt of a revision: which files show it, their hashes, since when they can be read, and how many were told.

Render writes the receipt together with the announcement, notify counts deliveries, ingest shows both to the item's
sender. A receipt is kept as long as the log keeps the event.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from redis.asyncio import Redis

from shared.model.clock import from_ms
from shared.model.ids import EventId, ItemId, LogId
from shared.model.stream_id import StreamId
from shared.store import keys

# Some 110 bytes each. An item of three tags in a section of two levels is shown by about forty files.
MOST_FILES = 64
# An item that is revised every minute would otherwise keep 1,440 receipts a day.
REVISIONS_KEPT = 20


@dataclass(frozen=True)
class ShownFile:
    """A file of the site with the hash of its bytes; None for a file that was removed."""

    path: str
    sha256: str | None


@dataclass(frozen=True)
class ShownFiles:
    """The files that show a revision, the item's own page first. `left_out` counts files beyond the first 64."""

    files: tuple[ShownFile, ...]
    left_out: int = 0

    def to_json(self) -> str:
        """Return them as the store keeps them."""
        spelled = {"files": [(file.path, file.sha256) for file in self.files], "left_out": self.left_out}
        return json.dumps(spelled, ensure_ascii=False, separators=(",", ":"))


NO_FILES = ShownFiles(())


@dataclass(frozen=True)
class RenderReceipt:
    """Render's receipt of a public revision."""

    rendered_at: datetime
    """When its files were on the volume."""
    visible_at: datetime
    """When caches in front of the site had been purged: from then on every reader could see the files."""
    shown: ShownFiles
    log_id: LogId | None
    """The event's place in the log; None while the announcement of an earlier revision is missing."""

    @property
    def announced_at(self) -> datetime | None:
        return StreamId.parse(self.log_id).at if self.log_id else None


@dataclass(frozen=True)
class Tally:
    """An event's deliveries: how many were enqueued, delivered, and given up (`dead`)."""

    enqueued: int = 0
    delivered: int = 0
    dead: int = 0
    last_at: datetime | None = None
    """When the last one was delivered."""


async def read_receipt(redis: Redis, item: ItemId, revision: int) -> RenderReceipt | None:
    """Return render's receipt of a revision, or None if there is none (yet, or any more)."""
    spelled, log_id = await redis.hmget(keys.receipts(item), f"rendered:{revision}", f"announced:{revision}")
    if spelled is None:
        return None
    rendered_ms, visible_ms, shown = json.loads(spelled)
    return RenderReceipt(
        from_ms(int(rendered_ms)),
        from_ms(int(visible_ms)),
        ShownFiles(tuple(ShownFile(path, sha256) for path, sha256 in shown["files"]), shown["left_out"]),
        LogId(str(log_id)) if log_id else None,
    )


async def read_tally(redis: Redis, event: EventId) -> Tally:
    """Return the event's deliveries over all shards; zeros before notify first ran."""
    shards = int(await redis.get(keys.SHARDS) or 0)
    pipeline = redis.pipeline(transaction=False)
    for number in range(shards):
        pipeline.hmget(keys.delivery_tally(keys.Shard(number), event), "enqueued", "delivered", "dead", "last_ms")
    return _sum(await pipeline.execute() if shards else [])


def _sum(rows: Iterable[tuple[str | None, ...]]) -> Tally:
    counts = [tuple(int(value or 0) for value in row) for row in rows]
    enqueued, delivered, dead = (sum(row[place] for row in counts) for place in range(3))
    last_ms = max((row[3] for row in counts), default=0)
    return Tally(enqueued, delivered, dead, from_ms(last_ms) if last_ms else None)
