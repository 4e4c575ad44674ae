"""The number of the layout: who begins with which, and who refuses."""

import pytest
from redis.asyncio import Redis

from services.ingest.app import running as running_ingest
from services.notify.app import running as running_notify
from services.render.app import running as running_render
from shared.model.errors import Invalid
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.layout.number import NEWEST_LAYOUT, NewerStore, begin_layout, read_layout
from shared.store.upkeep import archive
from tests.cli.command_acts import run
from tests.kept_store import kept_lines, restore_kept_store


async def test_a_new_store_begins_with_the_newest_layout(redis: Redis) -> None:
    assert await begin_layout(redis) == NEWEST_LAYOUT
    assert await read_layout(redis) == NEWEST_LAYOUT


async def test_a_store_of_release_0_1_keeps_its_layout_until_it_is_migrated(redis: Redis) -> None:
    await restore_kept_store(redis)

    assert await begin_layout(redis) == 1
    assert await redis.get(keys.FORMAT) is None


@pytest.mark.parametrize(
    "running", [running_ingest, running_render, running_notify], ids=["ingest", "render", "notify"]
)
async def test_a_service_refuses_a_store_of_a_later_release(running: object, redis: Redis, settings: Settings) -> None:
    await redis.set(keys.FORMAT, NEWEST_LAYOUT + 1)

    with pytest.raises(NewerStore, match="the store has layout 3 and this release knows layouts up to 2: start the"):
        async with running(settings):  # type: ignore[operator]  # three functions of different optional parameters
            pass


async def test_a_command_on_the_store_refuses_one_of_a_later_release(redis: Redis, settings: Settings) -> None:
    await redis.set(keys.FORMAT, NEWEST_LAYOUT + 1)

    result = await run(settings, "status", "--json")

    assert result.exit_code == 1
    assert "the store has layout 3" in " ".join(result.output.split())


async def test_an_archive_of_a_later_layout_is_refused(redis: Redis) -> None:
    later = kept_lines()[0].replace(b'"clarion_archive":1', b'"clarion_archive":3')

    with pytest.raises(Invalid, match="a later release"):
        await archive.restore(redis, [later, *kept_lines()[1:]])


async def test_an_archive_has_the_number_of_the_layout(redis: Redis) -> None:
    await begin_layout(redis)

    lines = [line async for line in archive.export(redis, now="2026-05-01T09:00:00Z")]

    assert lines[0].startswith(b'{"clarion_archive":2,')
