"""Rebuild and verify: the volume from the store alone, and what differs from that."""

import asyncio
import contextlib
import json
import os
import shutil
import sqlite3
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.render.output.volume import Output
from services.render.rebuild.rebuild import RebuildProgress
from services.render.rebuild.verify import Differences
from shared.model.ids import item_id
from shared.model.items import Withdrawal
from shared.runtime.background import background, repeated
from shared.runtime.settings import Settings
from shared.store.site_record import EditionNote, note_edition
from tests.render.newsroom import BROKEN_TITLE, FIRST_DAY, Press, a_press


async def some_items(press: Press) -> None:
    await press.newsroom.publish("a", tags=("sea",))
    await press.newsroom.publish("b", section="documents/orders", published_at=FIRST_DAY + timedelta(days=40))
    await press.newsroom.publish("c", lang="ru")
    await press.newsroom.withdraw("c", Withdrawal(mode="notice", notice="Wrong."))
    await press.render()


async def test_a_rebuild_onto_an_empty_volume_writes_everything(press: Press, tmp_path: Path) -> None:
    await some_items(press)
    shutil.rmtree(press.settings.output_dir / "ru")
    shutil.rmtree(press.settings.output_dir / "en")

    await press.rendering.rebuild.run()

    assert press.has("/ru/news/2026/05/c/")
    assert press.has("/en/documents/orders/2026/06/")
    assert press.has("/sitemap.xml")
    assert press.has("/robots.txt")
    assert await press.differences(tmp_path / "again") == Differences()


async def test_verify_names_what_is_missing_different_and_stale(press: Press, tmp_path: Path) -> None:
    await some_items(press)
    await press.rendering.rebuild.run()
    output = Output(press.settings.output_dir)
    output.remove("/en/news/2026/05/a/")
    output.write("/en/news/", b"changed by hand", None)
    output.write("/en/news/2026/05/never-was/", b"left behind", None)

    found = await press.differences(tmp_path / "again")

    assert found == Differences(("/en/news/2026/05/a/",), ("/en/news/",), ("/en/news/2026/05/never-was/",))


async def test_verify_names_items_that_search_has_wrong_and_a_rebuild_mends_them(press: Press, tmp_path: Path) -> None:
    await some_items(press)
    await press.newsroom.publish("d")
    await press.newsroom.publish("e")
    await press.render()
    await press.rendering.rebuild.run()
    lost, changed, strange = (item_id("press", name) for name in "abz")
    with contextlib.closing(sqlite3.connect(Output(press.settings.output_dir).search_file)) as index, index:
        index.execute("DELETE FROM items WHERE id = ?", (lost,))
        index.execute("UPDATE texts SET words = 'x' WHERE rowid = (SELECT place FROM items WHERE id = ?)", (changed,))
        index.execute("INSERT INTO items VALUES (1, ?, 'x')", (strange,))
        index.execute("INSERT INTO texts (rowid, words, stems, facets) VALUES (1, 'x', 'x', 'x')")

    found = await press.differences(tmp_path / "again")
    await press.rendering.rebuild.run()

    assert found == Differences(searched=tuple(sorted((lost, changed, strange))))
    assert await press.differences(tmp_path / "once-more") == Differences()


async def test_a_rebuild_mends_the_volume_and_takes_stale_files_away(press: Press, tmp_path: Path) -> None:
    await some_items(press)
    await press.rendering.rebuild.run()
    output = Output(press.settings.output_dir)
    output.write("/en/news/", b"changed by hand", None)
    stale = [
        "/en/news/2026/05/never-was/",
        "/en/tags/never/feed.rss",
        "/old.html",
        "/xx/news/",
        "/sitemaps/en/1999-01-1.xml",
    ]
    for path in stale:
        output.write(path, b"left behind", None)
    unfinished = output.file_of("/en/news/.new-abc")
    unfinished.write_bytes(b"half a pa")

    rebuilt = await press.rendering.rebuild.run()

    assert sorted(rebuilt.stale) == sorted(stale)
    assert not unfinished.exists()
    assert await press.differences(tmp_path / "again") == Differences()


async def test_a_rebuild_of_what_is_right_writes_nothing(press: Press) -> None:
    await some_items(press)
    await press.rendering.rebuild.run()
    files = {path: _inode(press, path) for path in Output(press.settings.output_dir).paths()}

    await press.rendering.rebuild.run()

    assert {path: _inode(press, path) for path in Output(press.settings.output_dir).paths()} == files


def _inode(press: Press, path: str) -> int:
    return Output(press.settings.output_dir).file_of(path).stat().st_ino


async def test_a_rebuild_of_a_section_leaves_the_others_alone(press: Press) -> None:
    await some_items(press)
    await press.rendering.rebuild.run()
    output = Output(press.settings.output_dir)
    for path in ("/en/news/", "/en/documents/", "/en/documents/2026/never/"):
        output.write(path, b"changed by hand", None)

    await press.rendering.rebuild.run("documents")

    assert "changed by hand" not in press.text("/en/documents/")
    assert not press.has("/en/documents/2026/never/")
    assert press.text("/en/news/") == "changed by hand"


async def test_an_interrupted_rebuild_goes_on_where_it_stopped(press: Press) -> None:
    await some_items(press)
    done: list[RebuildProgress] = []

    def stop_halfway(progress: RebuildProgress) -> None:
        done.append(progress)
        if progress.step == "lists" and progress.done > progress.total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await press.rendering.rebuild.run(on_progress=stop_halfway)
    steps: list[RebuildProgress] = []
    await press.rendering.rebuild.run(on_progress=steps.append)

    assert steps[0] == RebuildProgress("lists", done[-1].done + 1, done[-1].total)


async def test_a_new_theme_rebuilds_the_site_when_render_starts(press: Press, redis: Redis, tmp_path: Path) -> None:
    await some_items(press)
    await press.rendering.rebuild.run_if_needed()
    site_file = tmp_path / "site.toml"
    site_file.write_text(site_file.read_text().replace("Office of the Harbour", "Office of the Sea"))

    renamed = await a_press(redis, press.settings)
    await renamed.rendering.rebuild.run_if_needed()

    assert "Office of the Sea" in renamed.text("/en/news/2026/05/a/")
    assert await renamed.differences(tmp_path / "again") == Differences()


async def test_verify_changes_nothing_about_an_item_that_cannot_be_rendered(
    strict_press: Press, tmp_path: Path
) -> None:
    await strict_press.rendering.rebuild.run()
    await strict_press.newsroom.publish("a", title=BROKEN_TITLE)

    assert await strict_press.differences(tmp_path / "again") == Differences()
    assert await strict_press.public("a") == 1


async def test_the_commands_tell_by_exit_code_and_json(press: Press, settings: Settings) -> None:
    await some_items(press)
    await press.rendering.rebuild.run()
    Output(settings.output_dir).write("/en/", b"changed by hand", None)

    different = await _clarion(settings, "verify", "--json")
    rebuilt = await _clarion(settings, "rebuild", "--json")
    same = await _clarion(settings, "verify")

    nothing: dict[str, list[str]] = {"missing": [], "stale": [], "searched": [], "vetoed": [], "refused": []}
    assert different == (1, {**nothing, "different": ["/en/"]})
    assert rebuilt[0] == 0
    assert same[0] == 0


async def test_verify_names_vetoed_items_and_refused_editions(strict_press: Press) -> None:
    await strict_press.newsroom.publish("odd", title=BROKEN_TITLE)
    await strict_press.render()
    await strict_press.rendering.rebuild.run()
    note = EditionNote(fingerprint="f", refused="no titel (item.html line 3)")

    async with background(repeated(lambda: note_edition(strict_press.redis, "render-1", note), 1, "edition.unnoted")):
        code, told = await _clarion(strict_press.settings, "verify", "--json")

    assert code == 0
    assert isinstance(told, dict)
    assert told["refused"] == ["no titel (item.html line 3)"]
    assert [one.partition(":")[0] for one in told["vetoed"]] == ["press/odd revision 1, by edition 1"]


async def _clarion(settings: Settings, *arguments: str) -> tuple[int | None, object]:
    environment = {
        **os.environ,
        "CLARION_REDIS_URL": settings.redis_url,
        "CLARION_SITE_FILE": str(settings.site_file),
        "CLARION_OUTPUT_DIR": str(settings.output_dir),
        "CLARION_BASE_URL": settings.base_url,
    }
    command = [sys.executable, "-c", "from services.cli.app import main; main()", *arguments]
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    return process.returncode, json.loads(printed) if printed else None
