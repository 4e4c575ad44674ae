"""A render service as it runs: it changes its edition without a restart, and tells when it has none."""

import errno
import functools
import os
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from redis.asyncio import Redis

from services.render.app import running
from services.render.output.volume import Output
from shared.runtime.settings import Settings
from tests.factories import a_site_file
from tests.render.editions.changes import SLIP, renamed, with_template
from tests.render.newsroom import Newsroom, a_press
from tests.waiting import eventually


def reader_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://render")


async def test_a_service_changes_its_edition_while_it_runs_and_goes_on_publishing(
    redis: Redis, settings: Settings, tmp_path: Path
) -> None:
    async with running(settings) as app, reader_of(app) as reader:
        newsroom = Newsroom(redis, (await a_press(redis, settings)).edition.site)
        first = await newsroom.publish("first")
        await eventually(lambda: shows(reader, first.path, "Office of the Harbour"), "the first edition")
        (tmp_path / "other").mkdir()
        other = settings.model_copy(update={"site_file": a_site_file(tmp_path / "other")})
        renamed(tmp_path / "other", "Office of the Sea")

        async with running(other):
            second = await newsroom.publish("second")
            for path in (first.path, second.path, "/en/nothing-here/"):
                changed = functools.partial(shows, reader, path, "Office of the Sea")
                await eventually(changed, f"the new edition at {path}")


async def test_a_service_without_any_edition_is_not_ready_and_says_so_without_naming_files(
    redis: Redis, settings: Settings, tmp_path: Path
) -> None:
    with_template(tmp_path, "item.html", SLIP)

    async with running(settings) as app, reader_of(app) as reader:
        answer = await reader.get("/readyz")
        alive = await reader.get("/healthz")

    assert answer.status_code == 503
    assert answer.json() == {
        "status": "not ready",
        "reason": "no edition of the site can be used: clarion doctor says why",
    }
    assert alive.status_code == 200


async def test_a_service_whose_edition_was_refused_is_ready_with_the_current_one(
    redis: Redis, settings: Settings, tmp_path: Path
) -> None:
    await a_press(redis, settings)
    with_template(tmp_path, "item.html", SLIP)

    async with running(settings) as app, reader_of(app) as reader:
        answer = await reader.get("/readyz")

    assert answer.status_code == 200


async def test_a_service_whose_volume_takes_no_files_says_so_until_it_takes_them(
    redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(settings) as app, reader_of(app) as reader:
        newsroom = Newsroom(redis, (await a_press(redis, settings)).edition.site)
        first = await newsroom.publish("first")
        await eventually(lambda: shows(reader, first.path, "Item first"), "the first page")
        with monkeypatch.context() as full:
            full.setattr(Output, "write", no_room)
            second = await newsroom.publish("second")
            await eventually(lambda: shows(reader, "/readyz", "the output volume takes no files"), "the trouble")
        await eventually(lambda: shows(reader, second.path, "Item second"), "the second page")
        await eventually(lambda: shows(reader, "/readyz", '"ready"'), "the end of the trouble")


def no_room(_: Output, path: str, *_more: object) -> bool:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


async def shows(reader: httpx.AsyncClient, path: str, words: str) -> bool:
    return words in (await reader.get(path)).text
