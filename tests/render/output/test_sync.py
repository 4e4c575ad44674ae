"""After a crash of the machine: what was not surely on the disk is looked at again."""

import json

from services.render.output.sync import SyncMark
from services.render.output.volume import Output
from shared.store import keys
from tests.render.newsroom import Press


def torn(press: Press, path: str) -> None:
    """Leave of a page what a crash of the machine may leave."""
    Output(press.settings.output_dir).file_of(path).write_bytes(b"")


def after_a_crash(press: Press) -> SyncMark:
    """Return the mark as the first process after the machine's start finds it."""
    output = Output(press.settings.output_dir)
    mark = json.loads(output.synced() or "{}")
    output.keep_synced(json.dumps(mark | {"boot": "another"}))
    return SyncMark(press.redis, output, press.rendering.consumer.check)


async def test_pages_of_events_after_the_mark_are_made_whole_and_not_announced_again(press: Press) -> None:
    before = await press.newsroom.publish("before")
    await press.render()
    await SyncMark(press.redis, Output(press.settings.output_dir), press.rendering.consumer.check).keep()
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
    mark = SyncMark(press.redis, Output(press.settings.output_dir), press.rendering.consumer.check)
    await mark.keep()
    await press.newsroom.publish("after")
    await press.render()

    assert await mark.check_after_crash() == 0


async def test_what_was_not_acknowledged_at_the_mark_is_checked(press: Press) -> None:
    await press.newsroom.publish("in hand")
    await press.take()
    await SyncMark(press.redis, Output(press.settings.output_dir), press.rendering.consumer.check).keep()

    assert await after_a_crash(press).check_after_crash() == 1


async def test_a_mark_older_than_the_kept_events_asks_for_a_rebuild(press: Press) -> None:
    await press.newsroom.publish("a")
    await press.render()
    await press.rendering.rebuild.run()
    await SyncMark(press.redis, Output(press.settings.output_dir), press.rendering.consumer.check).keep()
    await press.redis.hset(keys.TRIMMED, keys.ITEMS_STREAM, "9999999999999-0")

    await after_a_crash(press).check_after_crash()

    assert Output(press.settings.output_dir).built() == ""
