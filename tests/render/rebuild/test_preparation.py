"""Preparing lists: in small steps, whatever is in them."""

from pathlib import Path

from redis.asyncio import Redis

from services.render.pages.chunks import chunks_of
from services.render.pages.items import ItemPages
from services.render.pages.kinds import SITEMAP_PLACES, ListingPage, ListPage, Sitemap
from services.render.pages.list_entries import ListEntryCache
from services.render.pages.list_reader import ListReader
from services.render.pages.sitemaps import SitemapReader
from services.render.rebuild.preparation import Preparation
from shared.model.listings import Listing
from shared.store.item_store import ItemStore
from shared.store.public_items import PublicItems
from tests.render.newsroom import BROKEN_TITLE, Press, a_press, break_template

NEWS = ListPage(Listing("en", "section", "news"))


async def pauses(press: Press, page: ListingPage | Sitemap) -> int:
    """Prepare the page and return how often it let others go first."""
    store, entries = ItemStore(press.redis), ListEntryCache(press.edition)
    public_items = PublicItems(store, press.edition.site.languages)
    items = ItemPages(store, public_items, press.edition, entries)
    reader = ListReader(press.redis, public_items, press.edition)
    taken = 0

    async def pause() -> None:
        nonlocal taken
        taken += 1

    await Preparation(reader, items, SitemapReader(press.redis, items, press.edition)).prepare(page, pause)
    return taken


async def test_a_longer_list_is_prepared_in_more_steps(press: Press) -> None:
    await press.newsroom.publish("first")
    await press.render()
    short = await pauses(press, NEWS)
    for number in range(10):
        await press.newsroom.publish(f"item-{number}")
    await press.render()

    assert await pauses(press, NEWS) >= short + 3


async def test_an_item_that_another_edition_could_render_holds_nothing_up(
    press: Press, redis: Redis, tmp_path: Path
) -> None:
    await press.newsroom.publish("bad", title=BROKEN_TITLE)
    await press.render()
    break_template(tmp_path)

    assert await pauses(await a_press(redis, press.settings), NEWS) > 0


async def test_a_sitemap_is_prepared_in_steps_whatever_is_in_it(press: Press) -> None:
    assert await pauses(press, Sitemap("en", "202605", 1)) > SITEMAP_PLACES / 100


def test_steps_keep_the_order_and_leave_nothing_out() -> None:
    assert chunks_of([1, 2, 3, 4, 5], 2) == [[1, 2], [3, 4], [5]]
    assert chunks_of([], 2) == []
