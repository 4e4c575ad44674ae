"""Rebuilding because somebody asked for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.render.output.volume import Output
from services.render.rebuild.on_demand import RebuildOnDemand
from shared.runtime.background import background
from shared.store.rebuild_request import RebuildWish, note_rebuilding, read_rebuild_wish, wish_for_rebuild
from tests.fakes import eventually
from tests.render.newsroom import Press


@asynccontextmanager
async def fulfilling(*presses: Press) -> AsyncIterator[None]:
    """Have render look for wishes while the block runs, one replica for each press."""
    work = (RebuildOnDemand(one.redis, one.rendering.rebuild, Output(one.settings.output_dir)).run() for one in presses)
    async with background(*work):
        yield


async def fulfilled(press: Press) -> RebuildWish:
    """Wait until the wish is fulfilled and return it."""
    wish = None

    async def is_finished() -> bool:
        nonlocal wish
        wish = await read_rebuild_wish(press.redis)
        return wish is not None and not wish.is_open

    await eventually(is_finished, "the rebuild")
    assert wish is not None
    return wish


async def test_a_wish_has_the_site_written_and_says_who_had_it(whole_press: Press) -> None:
    item = await whole_press.newsroom.publish("opening")
    await whole_press.render()
    (whole_press.settings.output_dir / item.path.strip("/") / "index.html").unlink()

    await wish_for_rebuild(whole_press.redis, "anna")
    async with fulfilling(whole_press):
        wish = await fulfilled(whole_press)

    assert whole_press.has(item.path)
    assert wish.asked_by == "anna"
    assert wish.finished_at is not None
    assert wish.finished_at >= wish.asked_at


async def test_without_a_wish_nothing_is_written(press: Press) -> None:
    async with fulfilling(press):
        await asyncio.sleep(0)

    assert await read_rebuild_wish(press.redis) is None
    assert not press.has("/en/")


async def test_one_wish_at_a_time_is_open(press: Press) -> None:
    first = await wish_for_rebuild(press.redis, "anna")
    second = await wish_for_rebuild(press.redis, "boris")
    open_wish = await read_rebuild_wish(press.redis)
    async with fulfilling(press, press):
        await fulfilled(press)
    third = await wish_for_rebuild(press.redis, "boris")

    assert (first, second, third) == (True, False, True)
    assert open_wish is not None
    assert open_wish.asked_by == "anna"


async def test_how_far_it_is_stands_in_the_store(press: Press) -> None:
    await wish_for_rebuild(press.redis, "anna")

    await note_rebuilding(press.redis, "items", 40, 100)

    wish = await read_rebuild_wish(press.redis)
    assert wish is not None
    assert (wish.step, wish.done, wish.total, wish.is_open) == ("items", 40, 100, True)
