"""Rebuilding because somebody asked for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.render.output.volume import Output
from services.render.rebuild.on_demand import RebuildOnDemand
from shared.runtime.background import background
from shared.store.rebuild_request import RebuildRequest, note_rebuild_progress, read_rebuild_request, request_rebuild
from tests.render.newsroom import Press
from tests.waiting import eventually


@asynccontextmanager
async def fulfilling(*presses: Press) -> AsyncIterator[None]:
    """Have render look for requests while the block runs, one replica for each press."""
    work = (RebuildOnDemand(one.redis, one.rendering.rebuild, Output(one.settings.output_dir)).run() for one in presses)
    async with background(*work):
        yield


async def fulfilled(press: Press) -> RebuildRequest:
    """Wait until the request is carried out and return it."""
    request = None

    async def is_finished() -> bool:
        nonlocal request
        request = await read_rebuild_request(press.redis)
        return request is not None and not request.is_open

    await eventually(is_finished, "the rebuild")
    assert request is not None
    return request


async def test_a_request_has_the_site_written_and_says_who_made_it(whole_press: Press) -> None:
    item = await whole_press.newsroom.publish("opening")
    await whole_press.render()
    (whole_press.settings.output_dir / item.path.strip("/") / "index.html").unlink()

    await request_rebuild(whole_press.redis, "anna")
    async with fulfilling(whole_press):
        request = await fulfilled(whole_press)

    assert whole_press.has(item.path)
    assert request.asked_by == "anna"
    assert request.finished_at is not None
    assert request.finished_at >= request.asked_at


async def test_without_a_request_nothing_is_written(press: Press) -> None:
    async with fulfilling(press):
        await asyncio.sleep(0)

    assert await read_rebuild_request(press.redis) is None
    assert not press.has("/en/")


async def test_one_request_at_a_time_is_open(press: Press) -> None:
    first = await request_rebuild(press.redis, "anna")
    second = await request_rebuild(press.redis, "boris")
    open_request = await read_rebuild_request(press.redis)
    async with fulfilling(press, press):
        await fulfilled(press)
    third = await request_rebuild(press.redis, "boris")

    assert (first, second, third) == (True, False, True)
    assert open_request is not None
    assert open_request.asked_by == "anna"


async def test_how_far_it_is_stands_in_the_store(press: Press) -> None:
    await request_rebuild(press.redis, "anna")

    await note_rebuild_progress(press.redis, "items", 40, 100)

    request = await read_rebuild_request(press.redis)
    assert request is not None
    assert (request.step, request.done, request.total, request.is_open) == ("items", 40, 100, True)
