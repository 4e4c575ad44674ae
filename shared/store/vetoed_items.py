"""The items whose newest public revision the current edition of the site cannot render."""

from collections.abc import Sequence

from redis.asyncio import Redis

from shared.model.ids import ItemId
from shared.model.items import Item
from shared.store import keys
from shared.store.item_store import ItemStore


async def vetoed_items(redis: Redis, store: ItemStore, at_most: int = 10_000) -> Sequence[Item]:
    """Return the items, the one that was found last first."""
    found = await redis.zrangebyscore(keys.UNSHOWN, "-inf", "(0", start=0, num=at_most)
    items = await store.get_many([ItemId(str(one)) for one in found])
    return [item for item in items if item is not None and item.unrenderable]


def veto_in_words(item: Item) -> str:
    """Return which revision of which item is vetoed, by which edition of the site, and why."""
    name = f"{item.source}/{item.external_id} revision {item.unrenderable}"
    return f"{name}, by edition {item.unrenderable_edition}: {item.unrenderable_reason}"
