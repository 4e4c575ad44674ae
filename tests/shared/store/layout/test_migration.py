"""`clarion migrate`: a store of release 0.1 is brought into the newest layout, and an interrupted migration goes on."""

from redis.asyncio import Redis

from shared.model.ids import ItemId, item_id
from shared.model.listings import Listing
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.item_store import ItemStore
from shared.store.layout.migration import Migration
from shared.store.layout.number import read_layout
from tests.kept_store import restore_kept_store
from tests.render.newsroom import a_press


class _Interrupted(Exception):
    pass


def _interrupt(_: int) -> None:
    raise _Interrupted


async def test_every_item_keeps_what_readers_see_and_its_months(redis: Redis, settings: Settings) -> None:
    await restore_kept_store(redis)
    press = await a_press(redis, settings)

    assert await Migration(redis, press.edition.site.zone).run()

    async for name in redis.scan_iter(f"{keys.item(ItemId(''))}*"):
        item = await redis.hgetall(name)
        assert item["shown"] == item["public"]
        assert "vacated" not in item
        assert ("months" in item) == (item["state"] == "published")
    assert await read_layout(redis) == 2


async def test_every_listing_counts_the_items_of_its_months(redis: Redis, settings: Settings) -> None:
    await restore_kept_store(redis)
    press = await a_press(redis, settings)

    await Migration(redis, press.edition.site.zone).run()

    record = await redis.hgetall(keys.listing(Listing("en", "section", "news")))
    assert record["counted"] == record["changed"]
    counts = {name: count for name, count in record.items() if str(name).startswith("count:")}
    assert counts == {
        "count:202601": "0",
        "count:202602": "0",
        "count:202604": "1",
        "count:202605": "3",
        "count:202606": "2",
    }


async def test_a_migration_that_was_interrupted_goes_on(redis: Redis, settings: Settings) -> None:
    await restore_kept_store(redis)
    press = await a_press(redis, settings)
    migration = Migration(redis, press.edition.site.zone)
    try:
        await migration.run(_interrupt)
    except _Interrupted:
        assert await read_layout(redis) == 1

    assert await migration.run()
    assert not await migration.run()


async def test_an_item_that_is_shown_while_the_store_is_migrated_keeps_what_is_shown(
    redis: Redis, settings: Settings
) -> None:
    await restore_kept_store(redis)
    press = await a_press(redis, settings)
    await press.newsroom.publish("plain", title="The harbour opens, late", published_at="2026-05-22T14:47:00+04:00")

    await Migration(redis, press.edition.site.zone).run()
    before = await ItemStore(redis).get(item_id("press", "plain"))
    await press.render()
    after = await ItemStore(redis).get(item_id("press", "plain"))

    assert before is not None
    assert after is not None
    assert (before.shown, before.public, after.shown) == (1, 2, 2)
