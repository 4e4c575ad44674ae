"""The dead letters of the content streams: events that were given up, with the reason."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from redis.asyncio import Redis

from shared.model.stream_id import StreamId
from shared.runtime.metrics import dead_letters_total
from shared.store import keys
from shared.store.scripts import Script

_READ_AT_ONCE = 500


@dataclass(frozen=True)
class DeadLetter:
    """An event that was given up. `id` is the letter's own, `entry` the event's in `stream`."""

    id: str
    at: datetime
    stream: str
    entry: str
    reason: str
    event_id: str
    """Empty where the entry could not be read."""
    event_type: str
    item_id: str = ""
    """Empty where the event is none of an item."""

    @property
    def may_be_replayed(self) -> bool:
        """Whether the event may go back into its stream. One of the public log may not: it would be announced twice."""
        return self.stream == keys.ITEMS_STREAM


class DeadLetters:
    """The dead letters of the content streams."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._bury = Script(redis, __name__, "bury_entry.lua")
        self._replay = Script(redis, __name__, "replay_letter.lua")

    async def bury(self, stream: str, group: str, entry_id: str, reason: str) -> None:
        """Move a pending entry to the dead letters and acknowledge it. Idempotent."""
        if await self._bury([stream, keys.DEAD_LETTERS], {"group": group, "entry": entry_id, "reason": reason}):
            dead_letters_total.labels(stream).inc()

    async def newest(self, count: int) -> Sequence[DeadLetter]:
        """Return the newest letters."""
        found: Any = await self._redis.xrevrange(keys.DEAD_LETTERS, count=count)  # Any: entries of redis-py
        return [_letter(letter_id, fields) for letter_id, fields in found]

    async def all(self) -> Sequence[DeadLetter]:
        """Return every letter, the oldest first."""
        letters: list[DeadLetter] = []
        start = "-"
        while True:
            found: Any = await self._redis.xrange(keys.DEAD_LETTERS, start, count=_READ_AT_ONCE)  # Any: see newest
            letters += [_letter(letter_id, fields) for letter_id, fields in found]
            if len(found) < _READ_AT_ONCE:
                return letters
            start = f"({letters[-1].id}"

    async def replay(self, letter_id: str) -> bool:
        """Append the letter's event to `items` again; return False if there is no such letter."""
        return bool(await self._replay([keys.ITEMS_STREAM, keys.DEAD_LETTERS], {"letter": letter_id}))


def _letter(letter_id: str, letter: dict[str, str]) -> DeadLetter:
    pairs = json.loads(letter.get("fields", "[]"))
    # Letters of the public log have their event's fields beside their own.
    event = letter | dict(zip(pairs[::2], pairs[1::2], strict=False))
    return DeadLetter(
        id=letter_id,
        at=StreamId.parse(letter_id).at,
        stream=letter.get("stream", ""),
        entry=letter.get("entry", ""),
        reason=letter.get("reason", ""),
        event_id=event.get("id", ""),
        event_type=event.get("type", ""),
        item_id=event.get("item_id", ""),
    )
