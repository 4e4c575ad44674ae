"""
The kept store of release 0.1: what it exported, and the items as their senders sent them last.

Never edit tests/golden/store-0.1: it was made by that release's services and its `clarion export`. It has public,
revised, moved, dated, translated, scheduled and withdrawn items (gone, redirect, notice), a revision that waits beside
a public one, and two subscriptions. What expires by itself was taken out.
"""

import json
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from shared.model.ids import ItemId, item_id
from shared.store.upkeep import archive

_FOLDER = Path(__file__).parent / "golden" / "store-0.1"

SENT_ITEMS: dict[str, dict[str, object]] = json.loads((_FOLDER / "items.json").read_text(encoding="utf-8"))
"""The body of each item that is not withdrawn, by its external id at the source `press`."""


async def restore_kept_store(redis: Redis) -> None:
    """Fill the empty store with what release 0.1 left."""
    await archive.restore(redis, kept_lines())


def kept_lines() -> list[bytes]:
    """Return the lines of the archive."""
    return (_FOLDER / "store.ndjson").read_bytes().splitlines(keepends=True)


def kept_hashes() -> dict[ItemId, str]:
    """Return the `content_sha256` that release 0.1 gave each item of `SENT_ITEMS`."""
    ids = {f"{{site}}:item:{item_id('press', name)}": item_id("press", name) for name in SENT_ITEMS}
    lines: list[dict[str, Any]] = [json.loads(line) for line in kept_lines()]  # Any: JSON
    return {ids[line["key"]]: line["fields"]["content_sha256"] for line in lines if line.get("key") in ids}
