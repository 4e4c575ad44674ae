"""A store that was put back is another history: nothing of it is announced under an id that was given out before."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.render.pipeline.announcing import OtherHistory
from services.render.pipeline.purging import PurgeHook
from shared.model.ids import event_id, item_id
from shared.store import keys
from shared.store.history import begin_next_epoch, read_epoch, read_history
from shared.store.rebuild_request import read_rebuild_request
from shared.store.streams import Entry
from shared.store.upkeep import archive
from tests.render.newsroom import Press, a_press

MONTH = "/en/news/2026/05/"
A, LOST = item_id("press", "a"), item_id("press", "lost")


@pytest.fixture
async def press(press: Press) -> Press:
    """A render that has compared its volume with the store, as it does when it starts."""
    await press.rendering.history.settle()
    return press


async def copy_of(redis: Redis) -> list[bytes]:
    return [line async for line in archive.export(redis, now="now")]


async def put_back(redis: Redis, copy: list[bytes]) -> None:
    await redis.flushdb()
    await archive.restore(redis, copy)


async def work(press: Press) -> None:
    """Work everything there is, as the running service does."""
    await press.rendering.history.watching(press.rendering.consumer.on_item_events)(await press.take())


async def restarted(press: Press) -> Press:
    return await a_press(press.redis, press.settings)


async def test_an_older_copy_of_the_store_gets_a_new_epoch_and_the_site_is_written_anew(
    press: Press, tmp_path: Path
) -> None:
    await press.newsroom.publish("a")
    await work(press)
    copy = await copy_of(press.redis)
    await press.newsroom.publish("lost", body="The first text.")
    await press.newsroom.publish("a", title="A title that is lost")
    await work(press)
    told_before = {event for _, event in await press.announced()}

    await put_back(press.redis, copy)
    # Ingest is quicker than render: an item is sent again, with other words.
    await press.newsroom.publish("lost", body="Another text.")
    later = await restarted(press)
    must_rebuild = await later.rendering.history.settle()
    await work(later)
    await later.newsroom.publish("a", title="Another title")
    await work(later)
    await later.rendering.rebuild.run_if_needed()

    assert must_rebuild
    told = [event for _, event in await later.announced()]
    assert told == [event_id(A, 1), event_id(LOST, 1, 1), event_id(A, 2, 1)]
    assert told_before & set(told) == {event_id(A, 1)}
    assert not await later.differences(tmp_path / "rebuilt")
    epoch = await read_epoch(press.redis)
    assert epoch is not None
    assert (epoch.number, epoch.reason) == (1, "older")


async def test_a_store_that_is_put_back_under_a_running_render_is_found_before_anything_is_announced(
    press: Press,
) -> None:
    await press.newsroom.publish("a")
    await work(press)
    copy = await copy_of(press.redis)
    await press.newsroom.publish("lost")
    await work(press)

    await put_back(press.redis, copy)
    await press.newsroom.publish("lost", body="Another text.")
    entries = await press.take()
    handle = press.rendering.history.watching(press.rendering.consumer.on_item_events)
    with pytest.raises(OtherHistory):
        await handle(entries)
    announced_meanwhile = len(await press.announced())
    await handle(entries)

    assert announced_meanwhile == 1
    assert (await press.announced())[-1][1] == event_id(LOST, 1, 1)
    wish = await read_rebuild_request(press.redis)
    assert wish is not None
    assert wish.is_open


async def test_a_batch_that_was_read_before_the_new_epoch_began_is_read_again(
    press: Press, monkeypatch: pytest.MonkeyPatch
) -> None:
    await press.newsroom.publish("a")
    await work(press)
    copy = await copy_of(press.redis)
    await press.newsroom.publish("lost")
    await work(press)
    await put_back(press.redis, copy)
    await press.newsroom.publish("lost", body="Another text.")
    entries = await press.take()
    handle = press.rendering.history.watching(press.rendering.consumer.on_item_events)

    async def look_meanwhile(_: PurgeHook, __: object) -> None:
        await press.rendering.history.look()

    with monkeypatch.context() as patched:
        patched.setattr(PurgeHook, "tell", look_meanwhile)
        with pytest.raises(OtherHistory):
            await handle(entries)
    announced_meanwhile = len(await press.announced())
    await handle(entries)

    assert announced_meanwhile == 1
    assert (await press.announced())[-1][1] == event_id(LOST, 1, 1)


async def test_pages_of_another_store_stay_until_somebody_asks(press: Press) -> None:
    await press.newsroom.publish("a")
    await work(press)

    await press.redis.flushdb()
    later = await restarted(press)
    must_rebuild = await later.rendering.history.settle()

    assert not must_rebuild
    assert later.has(f"{MONTH}a/")
    epoch = await read_epoch(press.redis)
    assert epoch is not None
    assert (epoch.number, epoch.reason) == (1, "other")
    assert await read_rebuild_request(press.redis) is None


async def test_one_history_stays_in_its_epoch_whatever_is_restarted_or_cut_off(press: Press) -> None:
    for name in "abc":
        await press.newsroom.publish(name)
        await work(press)
        press = await restarted(press)
        assert not await press.rendering.history.settle()
    await press.newsroom.publish("d")
    entries = await press.take()

    async def cut_off(_: Sequence[Entry]) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await press.rendering.history.watching(cut_off)(entries)
    press = await restarted(press)

    assert not await press.rendering.history.settle()
    assert await read_epoch(press.redis) is None


async def test_an_epoch_that_somebody_asked_for_is_followed_and_the_site_written_anew(press: Press) -> None:
    await press.newsroom.publish("a")
    await work(press)

    await begin_next_epoch(press.redis, "asked")
    await press.newsroom.publish("a", title="Revised")
    later = await restarted(press)
    must_rebuild = await later.rendering.history.settle()
    await work(later)

    assert must_rebuild
    assert (await later.announced())[-1][1] == event_id(A, 2, 1)
    assert (await read_history(press.redis)).epoch == 1
    assert not await later.rendering.history.settle()


async def test_an_item_keeps_the_epoch_of_each_of_its_events(press: Press) -> None:
    first = await press.newsroom.publish("a")
    await begin_next_epoch(press.redis, "asked")

    revised = await press.newsroom.publish("a", title="Revised")

    assert (first.item.event_id, revised.item.event_id) == (event_id(A, 1), event_id(A, 2, 1))
    kept = await press.newsroom.store.get(A)
    assert kept is not None
    assert [kept.event_id_of(number) for number in (1, 2)] == [first.item.event_id, revised.item.event_id]


async def test_two_replicas_of_one_volume_begin_one_epoch(press: Press) -> None:
    other = await restarted(press)
    await other.rendering.history.settle()
    await press.newsroom.publish("a")
    await work(press)
    await press.redis.delete(keys.PAGES_STREAM)

    settled = [await one.rendering.history.settle() for one in (press, other)]

    assert settled == [True, False]
    assert (await read_history(press.redis)).epoch == 1
