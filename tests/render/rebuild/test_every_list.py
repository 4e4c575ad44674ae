"""What a rebuild goes through: every list there is or was, and in which order."""

from datetime import datetime, timedelta

from services.render.pages.kinds import ArchivePage, FeedArchive, ListFeeds, ListPage, Sitemap
from services.render.rebuild.every_list import EveryList
from shared.model.listings import Listing
from tests.render.newsroom import FIRST_DAY, Press

HOME, NEWS, SEA = Listing("en", "home"), Listing("en", "section", "news"), Listing("en", "tag", "sea")


async def test_each_listing_comes_first_and_then_the_archives_month_by_month(press: Press) -> None:
    await press.newsroom.publish("a", tags=("sea",))
    await press.newsroom.publish("b", published_at=FIRST_DAY - timedelta(days=60))
    await press.render()

    every = await EveryList(press.redis, press.edition.site).groups(lambda listing: listing in {HOME, NEWS, SEA})

    released = _month(await press.newsroom.store.now())
    feeds = {FeedArchive(listing, released, 1) for listing in (HOME, NEWS, SEA)}
    in_may = {ArchivePage(NEWS, "202605", 1), Sitemap("en", "202605", 1)}
    in_march = {ArchivePage(NEWS, "202603", 1), Sitemap("en", "202603", 1)}
    assert every.listings == 3
    assert [set(group) for group in every.groups] == [
        *({ListPage(listing), ListFeeds(listing)} for listing in (HOME, NEWS, SEA)),
        feeds,
        in_may,
        in_march,
    ]


def _month(moment: datetime) -> str:
    return f"{moment:%Y%m}"


async def test_a_listing_whose_items_have_all_gone_is_gone_through_too(press: Press) -> None:
    await press.newsroom.publish("a", tags=("sea",))
    await press.render()
    await press.newsroom.withdraw("a")
    await press.render()

    every = await EveryList(press.redis, press.edition.site).groups(lambda listing: listing == SEA)

    assert ListPage(SEA) in every.groups[0]
