"""Orders of two render services, and deaths, in which a weaker design shows readers what is not there."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from services.render.rebuild.verify import Differences
from shared.model.items import Item, PublicItem
from shared.runtime.settings import Settings
from shared.store import keys
from tests.render.editions.changes import without_theme
from tests.render.newsroom import BROKEN_TITLE, Press, a_press, break_template
from tests.render.pipeline.interleaving import (
    Replica,
    a_replica,
    check_indexes,
    check_pages,
    missing_pages,
    shown_items,
)

Start = Callable[[], Awaitable[Replica]]


@pytest.fixture
async def start(redis: Redis, settings: Settings) -> AsyncIterator[Start]:
    """Starts render services over the press's volume; what they have not finished is given up at the end."""
    replicas: list[Replica] = []

    async def start() -> Replica:
        replicas.append(await a_replica(redis, settings))
        return replicas[-1]

    yield start
    for replica in replicas:
        await replica.crash()


async def item_of(press: Press, one: PublicItem) -> Item:
    item = await press.newsroom.store.get(one.item.id)
    assert item is not None
    return item


async def check(press: Press, *items: PublicItem) -> None:
    shown = await shown_items(press, [one.item.id for one in items])
    check_pages(press, shown.values())
    await check_indexes(press, shown.values())
    assert await missing_pages(press) == set()


async def finish(press: Press, replica: Replica, *items: PublicItem) -> None:
    """Have the replica finish its batch; the invariants hold after each step."""
    while replica.is_at_work:
        await replica.step()
        await check(press, *items)


async def moved(press: Press, slug: str) -> PublicItem:
    return await press.newsroom.publish("a", slug=slug)


async def test_a_slow_replica_does_not_write_an_older_page_over_a_newer_one(whole_press: Press, start: Start) -> None:
    press = whole_press
    slow, quick = await start(), await start()
    await press.newsroom.publish("a", title="Older")
    await slow.begin(await press.take())
    a = await press.newsroom.publish("a", title="Newer")
    await quick.begin(await press.take())
    await quick.finish()

    await finish(press, slow, a)

    assert "Newer" in press.text(a.path)
    assert [event for _, event in await press.announced()] == [f"{a.item.id}-1", f"{a.item.id}-2"]


async def test_an_old_page_stays_until_no_list_names_it(whole_press: Press, start: Start) -> None:
    press = whole_press
    item = await press.newsroom.publish("a", slug="first", tags=("sea",))
    await press.render()
    replica = await start()
    await press.newsroom.publish("a", slug="second", section="documents/orders", tags=())
    await replica.begin(await press.take())
    await finish(press, replica, item)
    await press.newsroom.withdraw("a")
    await replica.begin(await press.take())

    await finish(press, replica, item)

    assert press.files_naming("Item a") == set()


async def test_an_item_that_is_revised_all_the_time_is_not_chased(whole_press: Press, start: Start) -> None:
    press = whole_press
    replica = await start()
    a = await press.newsroom.publish("a", title="Title 1")
    await replica.begin(await press.take())

    for number in range(2, 5):
        await press.newsroom.publish("a", title=f"Title {number}")
        await replica.step()
    await replica.finish()

    item = await item_of(press, a)
    assert (item.shown, item.public) == (1, 4)
    assert "Title 1" in press.text("/en/")
    await check(press, a)


async def test_a_page_to_which_the_item_has_come_back_is_not_removed(whole_press: Press, start: Start) -> None:
    press = whole_press
    first = await moved(press, "first")
    await press.render()
    slow, quick = await start(), await start()
    await moved(press, "second")
    await slow.begin(await press.take())
    await slow.step()  # it has shown the item at its second address
    await slow.until_it_wants("items", first.path)  # and is about to remove the page at the first
    await moved(press, "first")
    await quick.begin(await press.take())
    await finish(press, quick, first)

    await finish(press, slow, first)

    assert press.has(first.path)


async def test_a_page_that_the_item_has_left_a_second_time_waits_for_the_second_lists(
    whole_press: Press, start: Start
) -> None:
    press = whole_press
    first = await moved(press, "first")
    await press.render()
    slow, quick = await start(), await start()
    await moved(press, "second")
    await slow.begin(await press.take())
    await slow.step()
    await slow.until_it_wants("items", first.path)
    await moved(press, "first")
    await quick.begin(await press.take())
    await quick.finish()
    await moved(press, "second")
    await quick.begin(await press.take())
    await quick.step()  # the item is shown at the second address again, and lists name the first

    await slow.finish()

    assert await missing_pages(press) == set()
    await quick.finish()
    assert not press.has(first.path)
    await check(press, first)


async def test_what_a_later_showing_has_left_outlives_the_announcement_of_an_earlier_event(
    whole_press: Press, start: Start, tmp_path: Path
) -> None:
    press = whole_press
    first = await moved(press, "first")
    await press.render()
    slow, doomed = await start(), await start()
    second = await moved(press, "second")
    await slow.begin(await press.take())
    await slow.step()
    await press.newsroom.publish("a", slug="third", section="documents", tags=("sea",))
    await doomed.begin(await press.take())
    await doomed.step()
    abandoned = await doomed.crash()

    await slow.finish()

    assert [page.path for page in (await item_of(press, first)).left_pages] == [second.path]
    await press.render(abandoned)
    assert not press.has(second.path)
    assert (await item_of(press, first)).left_pages == ()
    assert await press.differences(tmp_path / "rebuilt") == Differences()


async def test_a_batch_that_died_after_showing_is_worked_again_to_the_same_site(
    whole_press: Press, start: Start, tmp_path: Path
) -> None:
    press = whole_press
    first = await press.newsroom.publish("a", slug="first", tags=("sea",))
    await press.render()
    doomed = await start()
    await press.newsroom.publish("a", slug="second", section="documents", tags=())
    await press.newsroom.publish("a", slug="first")
    await press.newsroom.publish("a", slug="second", title="Another title")
    entries = await press.take()
    await doomed.begin(entries[:1])
    await doomed.step()
    await doomed.crash()

    await press.render(entries)

    assert not press.has(first.path)
    assert await press.differences(tmp_path / "rebuilt") == Differences()
    assert (await item_of(press, first)).left_places == ()


async def test_an_item_that_came_back_before_its_lists_were_written_keeps_its_page(
    whole_press: Press, start: Start, tmp_path: Path
) -> None:
    press = whole_press
    first = await moved(press, "first")
    await press.render()
    doomed = await start()
    await moved(press, "second")
    entries = await press.take()
    await doomed.begin(entries)
    await doomed.step()
    await doomed.crash()
    await moved(press, "first")

    await press.render([*entries, *await press.take()])

    assert press.has(first.path)
    assert await press.differences(tmp_path / "rebuilt") == Differences()


@pytest.mark.parametrize("last", [0, 1])
async def test_translations_that_two_replicas_show_at_once_link_to_one_another(
    whole_press: Press, start: Start, last: int, tmp_path: Path
) -> None:
    press = whole_press
    replicas = [await start(), await start()]
    one = await press.newsroom.publish("a", translation_set="opening")
    await replicas[0].begin(await press.take())
    other = await press.newsroom.publish("b", lang="ru", translation_set="opening")
    await replicas[1].begin(await press.take())

    await replicas[1 - last].finish()
    await replicas[last].finish()

    assert other.path in press.text(one.path)
    assert one.path in press.text(other.path)
    assert await press.differences(tmp_path / "rebuilt") == Differences()


async def test_translations_of_one_batch_link_to_one_another(whole_press: Press, tmp_path: Path) -> None:
    press = whole_press
    one = await press.newsroom.publish("a", translation_set="opening")
    other = await press.newsroom.publish("b", lang="ru", translation_set="opening")

    await press.render()

    assert other.path in press.text(one.path)
    assert one.path in press.text(other.path)
    assert await press.differences(tmp_path / "rebuilt") == Differences()


async def test_a_rebuild_shows_nothing_and_leaves_what_a_batch_is_about_to_remove(
    whole_press: Press, start: Start
) -> None:
    press = whole_press
    first = await moved(press, "first")
    await press.render()
    replica = await start()
    second = await moved(press, "second")
    await replica.begin(await press.take())
    await replica.step()
    third = await moved(press, "third")

    await press.rendering.rebuild.run()

    assert (press.has(first.path), press.has(second.path), press.has(third.path)) == (True, True, False)
    assert (await item_of(press, first)).shown == 2
    await replica.finish()
    assert not press.has(first.path)


async def test_where_the_newest_revision_cannot_be_rendered_the_batch_shows_the_one_before(
    redis: Redis, settings: Settings, start: Start, tmp_path: Path
) -> None:
    break_template(tmp_path)
    replica = await start()
    press = replica.press
    await redis.xgroup_create(keys.ITEMS_STREAM, keys.RENDER_GROUP, id="0", mkstream=True)
    a = await press.newsroom.publish("a", title="Good")
    await press.newsroom.publish("a", title="Better", translation_set="opening")
    await press.newsroom.publish("a", title=BROKEN_TITLE, translation_set=None)
    b = await press.newsroom.publish("b", lang="ru", translation_set="opening")

    await replica.begin(await press.take())
    await replica.finish()

    item = await item_of(press, a)
    assert "Better" in press.text(a.path)
    assert (a.path in press.text(b.path), b.path in press.text(a.path)) == (True, True)
    assert (item.shown, item.public, item.unrenderable, item.state) == (2, 2, 3, "published")
    told = [event for _, event in await press.announced()]
    assert told == [f"{a.item.id}-1", f"{a.item.id}-2", f"{b.item.id}-1"]
    assert [letter["reason"][:15] for letter in await press.dead_letters()] == ["UndefinedError:"]


async def test_a_veto_gives_the_place_in_a_translation_set_back(strict_press: Press) -> None:
    press = strict_press
    a = await press.newsroom.publish("a", translation_set="opening")
    await press.render()

    await press.newsroom.publish("a", title=BROKEN_TITLE, translation_set="closing")
    await press.render()

    assert await press.newsroom.store.translations("opening") == {"en": a.item.id}
    assert await press.newsroom.store.translations("closing") == {}


async def test_a_dead_letter_that_can_be_rendered_by_now_is_shown(
    press: Press, redis: Redis, start: Start, tmp_path: Path
) -> None:
    break_template(tmp_path)
    strict = await start()
    a = await press.newsroom.publish("a", title=BROKEN_TITLE)
    entries = await press.take()
    await strict.begin(entries)
    await strict.finish()
    assert (await item_of(press, a)).public == 0

    fields: Any = entries[0].fields  # Any: redis-py's types of fields
    await redis.xadd(keys.ITEMS_STREAM, fields)
    without_theme(tmp_path)
    await (await a_press(redis, press.settings)).render()

    item = await item_of(press, a)
    assert (item.shown, item.public, item.unrenderable) == (1, 1, 0)
    assert press.has(a.path)
    assert await redis.zrange(keys.UNSHOWN, 0, -1) == []


async def test_an_item_that_was_late_stands_on_top_of_its_feeds(press: Press) -> None:
    await press.newsroom.publish("late", title="The late one")
    late = await press.take()
    await press.newsroom.publish("early", title="The early one")
    await press.render()

    await press.render(late)

    feed = press.text("/en/feed.atom")
    assert feed.index("The late one") < feed.index("The early one")


async def test_items_of_one_batch_stand_in_feeds_in_the_order_of_their_events(press: Press) -> None:
    for number in range(5):
        await press.newsroom.publish(f"item-{number}", title=f"Title {number}")

    await press.render()

    feed = press.text("/en/feed.atom")
    places = [feed.index(f"Title {number}") for number in range(5)]
    assert places == sorted(places, reverse=True)


async def test_the_backlog_names_what_waits_what_was_vetoed_and_what_was_buried(strict_press: Press) -> None:
    press = strict_press
    shown, waits, poison, bad = [
        (await press.newsroom.publish(name, **changes)).item.id
        for name, changes in (("shown", {}), ("waits", {}), ("poison", {}), ("bad", {"title": BROKEN_TITLE}))
    ]
    entries = await press.take()
    await press.render([entries[0], entries[3]])
    await press.rendering.consumer.bury(entries[2], "given up")

    found: Any = await press.redis.zrange(keys.UNSHOWN, 0, -1, withscores=True)  # Any: redis-py's reply
    unshown = dict(found)

    assert {name: score > 0 for name, score in unshown.items()} == {waits: True, poison: True, bad: False}
    assert shown not in unshown
