"""Items that an earlier release wrote, when there was no showing: what was public has been shown."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from services.render.rebuild.verify import Differences
from shared.model.items import PublicItem
from shared.model.listings import Listing
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.streams import Entry
from tests.render.newsroom import FIRST_DAY, Press, a_press

NOTHING = Differences()


async def forget_showing(redis: Redis, *items: PublicItem) -> None:
    """Leave of the items and their listings what an earlier release wrote."""
    for item in items:
        await redis.hdel(keys.item(item.item.id), "shown", "months", "left", "unrenderable_edition")
        await redis.hset(keys.item(item.item.id), "vacated", "[]")
    await redis.delete(keys.UNSHOWN)
    async for name in redis.scan_iter(keys.listing_pattern()):
        counts = [field for field in await redis.hkeys(name) if str(field).startswith("count:")]
        await redis.hdel(name, "counted", *counts)


async def test_what_an_earlier_release_has_published_is_shown_and_goes_on(
    whole_press: Press, redis: Redis, tmp_path: Path
) -> None:
    press = whole_press
    items = [await press.newsroom.publish(name, tags=("sea",)) for name in ("kept", "moved", "gone")]
    await press.render()
    await forget_showing(redis, *items)

    assert await press.differences(tmp_path / "before") == NOTHING
    await press.newsroom.publish(
        "moved", slug="elsewhere", section="documents", published_at=FIRST_DAY.replace(month=7)
    )
    await press.newsroom.withdraw("gone")
    await press.render()

    kept, moved, gone = [await press.newsroom.store.get(item.item.id) for item in items]
    assert kept is not None
    assert moved is not None
    assert gone is not None
    assert (kept.shown, moved.shown, gone.shown) == (1, 2, 2)
    assert "/en/news/2026/05/" in press.text("/en/news/")
    assert await press.differences(tmp_path / "after") == NOTHING


async def test_an_item_that_an_earlier_ingest_accepts_is_rendered_and_announced(
    whole_press: Press, redis: Redis, settings: Settings, tmp_path: Path
) -> None:
    press = whole_press
    before = await press.newsroom.publish("a", slug="first")
    await press.render()
    after = await press.newsroom.publish("a", slug="second", section="documents")
    entries = await press.take()
    # An earlier ingest moves the item in its lists as it accepts the revision; here another volume's render does.
    other = await a_press(redis, settings.model_copy(update={"output_dir": tmp_path / "other"}))
    await other.rendering.consumer.check(entries)
    moved = await press.newsroom.store.get(before.item.id)
    assert moved is not None
    left = [{key: value for key, value in asdict(place).items() if key != "by"} for place in moved.left_places]
    await forget_showing(redis, after)

    await press.render([Entry(one.id, {**one.fields, "left": json.dumps(left)}) for one in entries])

    assert press.has(after.path)
    assert not press.has(before.path)
    assert [event for _, event in await press.announced()] == [f"{after.item.id}-1", f"{after.item.id}-2"]
    assert await press.differences(tmp_path / "rebuilt") == NOTHING


async def test_what_the_release_before_has_published_after_a_way_back_to_it_is_shown(
    whole_press: Press, redis: Redis, tmp_path: Path
) -> None:
    press = whole_press
    item = await press.newsroom.publish("a", tags=("sea",))
    await press.render()
    listing = Listing("en", "section", "news")
    kept: Any = await redis.hgetall(keys.item(item.item.id))  # Any, here and below: redis-py's union of text and bytes
    counts: dict[str, Any] = {}
    async for name in redis.scan_iter(keys.listing_pattern()):
        record: Any = await redis.hgetall(name)
        counts[str(name)] = {field: value for field, value in record.items() if field.startswith("count")}
    await press.newsroom.publish("a", section="documents", published_at=FIRST_DAY.replace(month=7))
    await press.render()
    # The release before moves lists, and knows neither what is shown nor the counts: both are as they were.
    known: Any = {field: kept[field] for field in ("shown", "months", "left")} | {"vacated": "[]"}
    await redis.hset(keys.item(item.item.id), mapping=known)
    for name, fields in counts.items():
        await redis.hset(name, mapping=fields)
    await redis.hincrby(keys.listing(listing), "changed", 1)

    found = await press.newsroom.store.get(item.item.id)
    other = await a_press(redis, press.settings.model_copy(update={"output_dir": tmp_path / "other"}))
    await other.rendering.rebuild.run()

    assert found is not None
    assert (found.shown, found.months) == (2, None)
    assert "/en/news/2026/05/" not in other.text("/en/news/")
    assert await press.differences(tmp_path / "before") == NOTHING
    await press.newsroom.publish("a", section="news", published_at=FIRST_DAY)
    await press.render()
    assert "/en/news/2026/05/" in press.text("/en/news/")
    assert await press.differences(tmp_path / "after") == NOTHING
