"""After a crash of the machine: what was not surely on the disk is looked at again."""

import asyncio
import json
from collections.abc import Awaitable, Sequence
from pathlib import Path

from services.render.output.sync import SyncMark
from services.render.output.volume import Output
from shared.runtime.background import cancelled
from shared.store import keys
from shared.store.streams import Entry
from tests.render.newsroom import Press


def torn(press: Press, path: str) -> None:
    """Leave of a page what a crash of the machine may leave."""
    Output(press.settings.output_dir).file_of(path).write_bytes(b"")


def a_mark(press: Press) -> SyncMark:
    output = Output(press.settings.output_dir)
    return SyncMark(press.redis, output, press.rendering.consumer.check, press.rendering.rebuild.rewrite)


def after_a_crash(press: Press) -> SyncMark:
    """Return the mark as the first process after the machine's start finds it."""
    output = Output(press.settings.output_dir)
    mark = json.loads(output.synced() or "{}")
    output.keep_synced(json.dumps(mark | {"boot": "another"}))
    return a_mark(press)


async def test_pages_of_events_after_the_mark_are_made_whole_and_not_announced_again(press: Press) -> None:
    before = await press.newsroom.publish("before")
    await press.render()
    await a_mark(press).keep()
    after = await press.newsroom.publish("after")
    await press.render()
    torn(press, after.path)
    torn(press, "/en/feed.atom")

    checked = await after_a_crash(press).check_after_crash()

    assert checked == 1
    assert "Item after" in press.text(after.path)
    assert "Item before" in press.text("/en/feed.atom")
    assert press.has(before.path)
    assert len(await press.announced()) == 2


async def test_a_process_that_was_killed_on_a_running_machine_checks_nothing(press: Press) -> None:
    mark = a_mark(press)
    await mark.keep()
    await press.newsroom.publish("after")
    await press.render()

    assert await mark.check_after_crash() == 0


async def test_what_was_not_acknowledged_at_the_mark_is_checked(press: Press) -> None:
    await press.newsroom.publish("in hand")
    await press.take()
    await a_mark(press).keep()

    assert await after_a_crash(press).check_after_crash() == 1


async def test_a_mark_older_than_the_kept_events_asks_for_a_rebuild(press: Press) -> None:
    await press.newsroom.publish("a")
    await press.render()
    await press.rendering.rebuild.run()
    await a_mark(press).keep()
    await press.redis.hset(keys.TRIMMED, keys.ITEMS_STREAM, "9999999999999-0")

    await after_a_crash(press).check_after_crash()

    assert Output(press.settings.output_dir).built() == ""


async def test_every_file_that_was_written_since_the_mark_is_made_whole(press: Press, tmp_path: Path) -> None:
    await press.newsroom.publish("before", tags=("sea",))
    await press.render()
    output = Output(press.settings.output_dir)
    await a_mark(press).keep()
    before = {path: output.file_of(path).stat().st_ino for path in output.paths()}
    await press.newsroom.publish("a", tags=("sea",), section="documents/orders")
    await press.newsroom.withdraw("before")
    await press.render()
    # What no event tells of: the site written anew, and all that comes with it.
    await press.rendering.rebuild.run()
    written = [path for path in output.paths() if output.file_of(path).stat().st_ino != before.get(path)]
    for path in written:
        torn(press, path)

    await after_a_crash(press).check_after_crash()

    assert len(written) > 40
    assert not await press.differences(tmp_path / "rebuilt")
    assert len(await press.announced()) == 3


async def test_nothing_new_is_announced_before_the_volume_is_whole(press: Press) -> None:
    await press.newsroom.publish("a")
    await press.render()
    await a_mark(press).keep()
    after_a_crash(press)
    handled, may_check = asyncio.Event(), asyncio.Event()
    rewrite = press.rendering.rebuild.rewrite

    async def slow_rewrite(paths: Sequence[str]) -> None:
        await may_check.wait()
        await rewrite(paths)

    async def handle(_: Sequence[Entry]) -> None:
        handled.set()

    async def nothing_else() -> None:
        return

    mark = SyncMark(press.redis, Output(press.settings.output_dir), press.rendering.consumer.check, slow_rewrite)
    running = asyncio.create_task(mark.run(nothing_else))
    handling = asyncio.create_task(_as_coroutine(mark.guarding(handle)([])))
    await asyncio.sleep(0.1)
    handled_meanwhile = handled.is_set()
    may_check.set()
    await handling
    await cancelled(running)

    assert not handled_meanwhile
    assert handled.is_set()


async def test_a_rebuild_that_a_crash_of_the_machine_interrupted_begins_anew(press: Press) -> None:
    await a_mark(press).keep()
    Output(press.settings.output_dir).keep_mark('{"half": "way"}')

    await after_a_crash(press).check_after_crash()

    assert Output(press.settings.output_dir).mark() is None


async def _as_coroutine(awaitable: Awaitable[None]) -> None:
    await awaitable
