"""An event that is given up after crashes, with its page up or not: doctor names the item, and a replay tells it."""

from redis.asyncio import Redis

from services.cli.doctor import examine
from shared.http.store_numbers import StoreWatch
from shared.store import keys
from shared.store.dead_letters import DeadLetters
from tests.render.newsroom import Press


async def test_an_event_that_is_buried_though_its_page_is_up_is_named_by_doctor_and_told_by_a_replay(
    whole_press: Press, redis: Redis
) -> None:
    press = whole_press
    item = await press.newsroom.publish("a")
    (entry,) = await press.take()
    await press.rendering.consumer.check([entry])

    await press.rendering.consumer.bury(entry, "given up after 10 deliveries")

    assert press.has(item.path)
    assert await press.announced() == []
    assert "press/a (its page is up, and nobody was told)" in [
        one.found for one in await examine(press.settings, redis)
    ]
    (letter,) = await DeadLetters(redis).newest(2)
    assert await DeadLetters(redis).replay(letter.id)
    await press.render()
    assert await press.announced() == [("item.published.v1", f"{item.item.id}-1")]


async def test_an_event_that_is_buried_before_its_page_is_there_waits_in_unshown(
    whole_press: Press, redis: Redis
) -> None:
    press = whole_press
    item = await press.newsroom.publish("a")
    (entry,) = await press.take()

    await press.rendering.consumer.bury(entry, "given up after 10 deliveries")

    assert not press.has(item.path)
    assert (await StoreWatch(redis).read()).unshown.waiting == 1
    assert await redis.zscore(keys.UNSHOWN, item.item.id) is not None
    assert "press/a (readers do not see it)" in [one.found for one in await examine(press.settings, redis)]
    (letter,) = await DeadLetters(redis).newest(2)
    assert await DeadLetters(redis).replay(letter.id)
    await press.render()
    assert press.has(item.path)
    assert (await StoreWatch(redis).read()).unshown.waiting == 0
