"""One file that cannot be made stops nothing; a volume that takes no files is waited for, and withdrawals go on."""

import errno
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.render.output.volume import Output
from services.render.pipeline.volume_trouble import VolumeTrouble
from services.render.wiring import assemble
from shared.model.ids import item_id
from shared.model.items import Withdrawal
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.streams import Entry
from tests.render.newsroom import Press, a_press

MONTH = "/en/news/2026/05/"


class FullOutput(Output):
    """A volume that takes no new bytes while it is full."""

    fault: int | None = None

    def _put(self, target: Path, content: bytes, mtime_ns: int | None = None, *, is_durable: bool = False) -> None:
        if self.fault is not None:
            raise OSError(self.fault, os.strerror(self.fault), str(target))
        super()._put(target, content, mtime_ns, is_durable=is_durable)


@pytest.fixture
def output(settings: Settings) -> FullOutput:
    return FullOutput(settings.output_dir)


@pytest.fixture
async def full_press(redis: Redis, settings: Settings, output: FullOutput) -> Press:
    """A render over a volume that a test can fill."""
    press = await a_press(redis, settings)
    press.rendering = assemble(redis, press.edition, output)
    return press


async def test_an_item_of_an_older_release_with_a_reserved_slug_stops_no_other(press: Press) -> None:
    # The newsroom puts an item without a slug where its id says.
    await press.newsroom.publish("index.html")
    await press.newsroom.publish("a")
    await press.newsroom.publish("b")

    await press.render()

    assert [event.rpartition("-")[2] for _, event in await press.announced()] == ["1", "1"]
    assert press.has(f"{MONTH}a/")
    assert press.has(MONTH)
    assert await press.public("index.html") == 0
    (letter,) = await press.dead_letters()
    assert "is the place of another file" in letter["reason"]


def _a_file_where_its_folder_belongs(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("in the way")


def _a_folder_where_its_file_belongs(folder: Path) -> None:
    (folder / "index.html" / "in the way").mkdir(parents=True)


@pytest.mark.parametrize(
    "hinder",
    [
        pytest.param(_a_file_where_its_folder_belongs, id="ENOTDIR"),
        pytest.param(_a_folder_where_its_file_belongs, id="EISDIR"),
    ],
)
async def test_an_item_whose_file_cannot_be_made_stops_no_other(press: Press, hinder: Callable[[Path], None]) -> None:
    hinder(press.settings.output_dir / MONTH.lstrip("/") / "bad")
    await press.newsroom.publish("bad")
    await press.newsroom.publish("a")

    await press.render()

    assert press.has(f"{MONTH}a/")
    assert len(await press.announced()) == 1
    assert await press.public("bad") == 0
    (letter,) = await press.dead_letters()
    assert "no file can be made" in letter["reason"]


async def test_an_item_whose_name_is_too_long_for_the_volume_stops_no_other(press: Press) -> None:
    await press.newsroom.publish("b" * 300)
    await press.newsroom.publish("a")

    await press.render()

    assert len(await press.announced()) == 1
    assert len(await press.dead_letters()) == 1


async def test_a_revision_whose_file_cannot_be_made_leaves_readers_the_page_before(press: Press) -> None:
    await press.newsroom.publish("a")
    await press.render()
    _a_file_where_its_folder_belongs(press.settings.output_dir / MONTH.lstrip("/") / "bad")
    await press.newsroom.publish("a", slug="bad", title="Moved")

    await press.render()

    assert press.has(f"{MONTH}a/")
    assert "Moved" not in press.text(MONTH)
    assert await press.public("a") == 1
    (letter,) = await press.dead_letters()
    assert "no file can be made" in letter["reason"]


async def test_the_page_of_a_shown_revision_whose_file_cannot_be_made_is_tried_once(press: Press) -> None:
    await press.newsroom.publish("a")
    entries = await press.take()
    await press.render(entries)
    folder = press.settings.output_dir / MONTH.lstrip("/") / "a"
    shutil.rmtree(folder)
    folder.write_text("in the way")

    await press.render(entries)

    assert await press.public("a") == 1
    item = await press.newsroom.store.get(item_id("press", "a"))
    assert item is not None
    assert item.unrenderable == 1
    assert "no file can be made" in item.unrenderable_reason
    assert "/a/" not in press.text(MONTH)


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.ESTALE], ids=errno.errorcode.get)
async def test_a_volume_that_takes_no_files_buries_nothing_and_vetoes_nothing(
    full_press: Press, output: FullOutput, fault: int
) -> None:
    press = full_press
    await press.newsroom.publish("a")
    entries = await press.take()
    output.fault = fault

    with pytest.raises(OSError, match=os.strerror(fault)):
        await press.render(entries)
    output.fault = None
    await press.render(entries)

    assert len(await press.announced()) == 1
    assert await press.public("a") == 1
    assert await press.dead_letters() == []


async def test_while_the_volume_is_full_withdrawn_pages_go_and_the_trouble_is_named(
    full_press: Press, output: FullOutput
) -> None:
    press, trouble = full_press, _trouble(full_press)
    await press.newsroom.publish("gone")
    await press.newsroom.publish("stays")
    await press.newsroom.publish("notice")
    await press.render()
    output.fault = errno.ENOSPC
    await press.newsroom.publish("new")
    waiting = await press.take()
    await press.newsroom.withdraw("gone")
    await press.newsroom.withdraw("notice", Withdrawal(mode="notice", notice="Void."))
    handle = trouble.watching(press.rendering.consumer.on_item_events)

    with pytest.raises(OSError, match="No space"):
        await handle(waiting)

    assert not press.has(f"{MONTH}gone/")
    assert press.has(f"{MONTH}stays/")
    assert press.has(f"{MONTH}notice/")
    assert trouble.reason == "the output volume takes no files: No space left on device"
    assert await press.redis.get(keys.OUTPUT_TROUBLE) == trouble.reason

    output.fault = None
    await handle(waiting)
    assert trouble.reason == ""
    assert await press.redis.get(keys.OUTPUT_TROUBLE) is None
    await handle(await press.take())
    assert [name for name, _ in await press.announced()][-2:] == ["item.withdrawn.v1"] * 2


async def test_the_trouble_lasts_until_everything_that_waited_is_written(full_press: Press) -> None:
    trouble = _trouble(full_press)
    is_full = True

    async def handle(entries: Sequence[Entry]) -> None:
        if is_full and any(entry.id == "2-0" for entry in entries):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    first, second = Entry("1-0", {}), Entry("2-0", {})
    watched = trouble.watching(handle)
    with pytest.raises(OSError, match="No space"):
        await watched([first, second])
    await watched([first])
    meanwhile = trouble.reason
    is_full = False
    await watched([second])

    assert meanwhile
    assert trouble.reason == ""


def _trouble(press: Press) -> VolumeTrouble:
    return press.rendering.volume_trouble
