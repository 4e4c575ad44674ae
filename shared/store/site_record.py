"""
Which edition of the site is current, and which edition the files of each living render make.

An edition is everything beside the items that pages depend on: site file, theme, standing pages, address, release.
The record gives the current edition its number, which is the same for all services.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from redis.asyncio import Redis

from shared.model.clock import from_ms, store_now, to_ms
from shared.store import keys
from shared.store.scripts import Script

# A render notes its edition every second or two. One that has not for so long is gone, or does not matter.
NOTES_KEPT_MS = 15_000


@dataclass(frozen=True)
class SiteRecord:
    """The current edition as the store knows it."""

    number: int
    fingerprint: str
    born_at: datetime
    """When the store first saw a site: what a feed without entries says it was updated at."""
    superseded: Sequence[str] = ()
    """The fingerprints of the editions that were current before, the last ten."""

    @property
    def mark(self) -> str:
        """What the volume is marked with while this edition is current."""
        return f"{self.number} {self.fingerprint}"


class EditionNote(BaseModel):
    """What a living render says of the edition that its files make."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    fingerprint: str
    """Empty where the files make no edition at all."""
    refused: str = ""
    """Why the edition was refused: template and line, or what is wrong with the site file. Empty where it was not."""


async def adopt_site(redis: Redis, fingerprint: str, expected: int | None = None) -> SiteRecord:
    """
    Make the edition current, under the next number unless it is current already; return the record.

    With `expected` nothing changes unless the current edition has this number (0: there is none).
    """
    argument = {"fingerprint": fingerprint} if expected is None else {"fingerprint": fingerprint, "expected": expected}
    found = await Script(redis, __name__, "adopt_site.lua")([keys.SITE_RECORD], argument)
    return _record(dict(zip(found[::2], found[1::2], strict=True)))


async def read_site(redis: Redis) -> SiteRecord | None:
    """Return the record as it is, or None where the store has not seen a site yet."""
    found: Any = await redis.hgetall(keys.SITE_RECORD)  # Any: redis-py's reply is a union of everything
    return _record(found) if "fingerprint" in found else None


def _record(found: Mapping[str, str]) -> SiteRecord:
    superseded = tuple(json.loads(found.get("superseded") or "[]"))
    return SiteRecord(int(found["number"]), str(found["fingerprint"]), from_ms(int(found["born"])), superseded)


async def note_edition(redis: Redis, render: str, note: EditionNote) -> None:
    """Note which edition the files of the render make. The note counts for 15 seconds."""
    now_ms = to_ms(await store_now(redis))
    await redis.hset(keys.EDITIONS, render, json.dumps([now_ms, note.model_dump()]))


async def forget_render(redis: Redis, render: str) -> None:
    """Forget a render that stops."""
    await redis.hdel(keys.EDITIONS, render)


async def edition_notes(redis: Redis) -> Mapping[str, EditionNote]:
    """Return the notes of the renders that live, by the render's name; forget the others."""
    now_ms = to_ms(await store_now(redis))
    spelled: Any = await redis.hgetall(keys.EDITIONS)  # Any: see read_site
    notes = notes_of(spelled, now_ms)
    gone = [render for render in spelled if render not in notes]
    if gone:
        await redis.hdel(keys.EDITIONS, *gone)
    return notes


def notes_of(spelled: Mapping[str, str], now_ms: int) -> Mapping[str, EditionNote]:
    """Return the notes that count at a moment, of those that the store holds."""
    notes = {}
    for render, note in spelled.items():
        try:
            at_ms, said = json.loads(note)
            if now_ms - at_ms <= NOTES_KEPT_MS:
                notes[str(render)] = EditionNote.model_validate(said)
        except (ValueError, ValidationError):  # another release wrote it
            continue
    return notes
