"""Which edition is current: who proposes, who goes on with what is kept, and that no page of another one stays."""

import contextlib
import itertools
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.render.editions.current import Editions, adopt_edition, is_to_be_proposed
from services.render.editions.files import Code
from services.render.feeds.formats import FEED_FORMATS
from services.render.output.volume import Output
from services.render.rebuild.verify import Differences
from shared.model.errors import EditionSuperseded
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.site_record import SiteRecord, adopt_site, read_site
from tests.factories import a_site_file
from tests.render.editions.changes import SLIP, renamed, with_template, without_theme
from tests.render.newsroom import Press, a_press
from tests.render.pipeline.interleaving import a_replica

NOTHING = Differences()
NOW = datetime(2026, 5, 1, tzinfo=UTC)
CURRENT = SiteRecord(3, "current", NOW, superseded=("older", "old"))


@pytest.mark.parametrize(
    ("own", "circumstances", "expected"),
    [
        pytest.param("current", {}, False, id="the current one"),
        pytest.param("new", {}, True, id="new files at a start"),
        pytest.param("new", {"is_starting": False}, False, id="new files of a replica that runs on"),
        pytest.param("old", {}, False, id="old files, while others have the current ones"),
        pytest.param("old", {"has_backer": False}, True, id="old files, and nobody has the current ones"),
        pytest.param("old", {"has_backer": False, "is_starting": False}, True, id="the same, found out later"),
        pytest.param("old", {"can_have_current": False}, True, id="an old release starts beside the current one"),
        pytest.param("old", {"can_have_current": False, "is_starting": False}, False, id="an old release runs on"),
    ],
)
def test_the_rule_of_proposals(own: str, circumstances: dict[str, bool], expected: bool) -> None:
    usual = {"has_backer": True, "is_starting": True, "can_have_current": True}

    assert is_to_be_proposed(own, CURRENT, **{**usual, **circumstances}) == expected
    assert is_to_be_proposed(own, None, **{**usual, **circumstances}) is True


async def test_a_number_is_given_once_and_only_to_whoever_saw_the_last_one(redis: Redis) -> None:
    first = await adopt_site(redis, "a", expected=0)
    too_late = await adopt_site(redis, "b", expected=0)
    second = await adopt_site(redis, "b", expected=1)
    back = await adopt_site(redis, "a", expected=2)

    assert (first.number, too_late.number, second.number, back.number) == (1, 1, 2, 3)
    assert (back.fingerprint, back.superseded, back.born_at) == ("a", ("b",), first.born_at)


def of_replica(settings: Settings, folder: Path) -> Settings:
    """Return the settings of a replica that has its own copy of the site's files."""
    folder.mkdir()
    return settings.model_copy(update={"site_file": a_site_file(folder)})


async def test_a_replica_changes_to_the_current_edition_while_it_runs(
    redis: Redis, settings: Settings, tmp_path: Path
) -> None:
    one = Editions(redis, Output(settings.output_dir), of_replica(settings, tmp_path / "one"))
    await one.current()
    renamed_files = of_replica(settings, tmp_path / "two")
    renamed(tmp_path / "two", "Office of the Sea")
    two = Editions(redis, Output(settings.output_dir), renamed_files)

    newer = await two.current()
    followed = await one.current()

    assert newer is not None
    assert followed is not None
    assert followed.edition.site.title["en"] == "Office of the Sea"
    assert followed.edition.record == newer.edition.record
    assert await one.current() is followed


async def test_a_crash_of_a_replica_with_old_files_takes_nothing_back_until_all_have_them(
    redis: Redis, settings: Settings, tmp_path: Path
) -> None:
    old, new = (of_replica(settings, tmp_path / name) for name in ("old", "new"))
    renamed(tmp_path / "new", "Office of the Sea")
    output = Output(settings.output_dir)
    await Editions(redis, output, old).current()
    newer = Editions(redis, output, new)
    await newer.current()

    crashed = Editions(redis, output, old)
    beside = await crashed.current()
    await newer.leave()
    alone = await crashed.current()

    assert beside is not None
    assert alone is not None
    assert (beside.edition.record.number, beside.edition.site.title["en"]) == (2, "Office of the Sea")
    assert (alone.edition.record.number, alone.edition.site.title["en"]) == (3, "Office of the Harbour")


async def test_a_restarted_render_goes_on_with_address_pages_and_media_of_the_current_edition(
    redis: Redis, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "pages" / "en").mkdir(parents=True)
    (tmp_path / "pages" / "en" / "contacts.md").write_text("# Contacts\n\nHere.")
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "boat.svg").write_text("<svg/>")
    (tmp_path / "site.toml").write_text('pages = "pages"\nmedia = "media"\n' + (tmp_path / "site.toml").read_text())
    with_template(tmp_path, "footer.html", "Our footer")
    press = await a_press(redis, settings)
    await press.newsroom.publish("a")
    await press.render()
    await press.rendering.rebuild.run_if_needed()
    shutil.rmtree(tmp_path / "pages")
    shutil.rmtree(tmp_path / "media")
    with_template(tmp_path, "item.html", SLIP)
    moved = settings.model_copy(update={"base_url": "https://elsewhere.example"})

    going_on = await a_press(redis, moved)
    await going_on.rendering.rebuild.run()

    assert going_on.edition.base_url == settings.base_url
    assert "Our footer" in going_on.text("/en/contacts/")
    assert going_on.text("/media/boat.svg") == "<svg/>"
    assert await going_on.differences(tmp_path / "rebuilt") == NOTHING


async def test_three_editions_are_kept(redis: Redis, settings: Settings, tmp_path: Path) -> None:
    for number in range(5):
        renamed(tmp_path, f"Title {number}")
        await adopt_edition(settings, redis)

    kept = list(Output(settings.output_dir).editions_folder.iterdir())

    record = await read_site(redis)
    assert record is not None
    assert {one.name for one in kept} == {record.fingerprint, *record.superseded[-2:]}


async def test_a_replica_of_another_edition_writes_nothing_and_announces_nothing(
    press: Press, redis: Redis, tmp_path: Path
) -> None:
    await press.newsroom.publish("a")
    await press.render()
    renamed(tmp_path, "Office of the Sea")
    newer = await a_press(redis, press.settings)
    item = await newer.newsroom.publish("b")
    entries = await press.take()
    announced = await press.announced()

    with pytest.raises(EditionSuperseded):
        await press.render(entries)
    for old_work in (press.rendering.rebuild.run, press.rendering.ticker.tick):
        with pytest.raises(EditionSuperseded):
            await old_work()

    assert not press.has(item.path)
    assert await press.announced() == announced
    await newer.rendering.rebuild.run_if_needed()
    await newer.render(entries)
    assert "Office of the Sea" in newer.text(item.path)
    assert await newer.differences(tmp_path / "rebuilt") == NOTHING


@pytest.mark.parametrize("steps", range(6))
async def test_a_batch_that_another_edition_overtakes_at_any_step_leaves_no_old_page(
    press: Press, redis: Redis, tmp_path: Path, steps: int
) -> None:
    await press.newsroom.publish("before")
    await press.render()
    await press.rendering.rebuild.run_if_needed()
    slow = await a_replica(redis, press.settings)
    await press.newsroom.publish("a", tags=("sea",))
    await slow.begin(await press.take())
    for _ in range(steps):
        await slow.step()
    renamed(tmp_path, "Office of the Sea")
    newer = await a_press(redis, press.settings)
    await newer.rendering.rebuild.run_if_needed()

    with contextlib.suppress(EditionSuperseded):  # not where all is written: then the batch is announced
        await slow.finish()
    if (await redis.xpending(keys.ITEMS_STREAM, keys.RENDER_GROUP))["pending"]:
        await newer.render(slow.entries)

    assert newer.files_naming("Office of the Harbour") == set()
    assert await newer.differences(tmp_path / "rebuilt") == NOTHING
    assert [kind for kind, _ in await newer.announced()] == ["item.published.v1"] * 2


async def test_a_replica_of_an_older_release_has_no_edition_and_a_newer_release_that_fails_is_not_used(
    redis: Redis, settings: Settings, tmp_path: Path
) -> None:
    output = Output(settings.output_dir)
    old = Editions(redis, output, settings, Code(feed_formats=FEED_FORMATS[:2]))
    await old.current()
    with_template(tmp_path, "item.html", SLIP)
    broken = Editions(redis, output, settings)
    refused, going_on = await broken.current(), await old.current()
    without_theme(tmp_path)

    newer = await Editions(redis, output, settings).current()

    assert refused is None
    assert "item.html line 3" in broken.refused
    assert going_on is not None
    assert going_on.edition.record.number == 1
    assert newer is not None
    assert newer.edition.record.number == 2
    assert await old.current() is None


async def test_a_release_that_is_put_back_is_current_beside_the_one_that_it_replaces(
    redis: Redis, settings: Settings
) -> None:
    output = Output(settings.output_dir)
    await Editions(redis, output, settings, Code(feed_formats=FEED_FORMATS[:2])).current()
    newer = Editions(redis, output, settings)
    await newer.current()

    put_back = await Editions(redis, output, settings, Code(feed_formats=FEED_FORMATS[:2])).current()

    assert put_back is not None, "it is ready, so that the newer one can be stopped"
    assert await newer.current() is None


ACTS = ("one", "two", "rebuild")


@pytest.mark.parametrize("order", list(itertools.permutations(ACTS)), ids="-".join)
async def test_a_rolling_change_leaves_no_old_page_in_any_order(
    press: Press, redis: Redis, tmp_path: Path, order: Sequence[str]
) -> None:
    """Two renders change their title, one after the other; each takes events as long as it may."""
    await press.newsroom.publish("before")
    await press.render()
    await press.rendering.rebuild.run_if_needed()
    renders = dict.fromkeys(("one", "two"), press)
    for number, act in enumerate(order):
        if act in renders:
            renamed(tmp_path, "Office of the Sea")
            renders[act] = await a_press(redis, press.settings)
        for name, render in renders.items():
            await render.newsroom.publish(f"{name}-{number}")
            entries = await render.take()
            try:
                await render.render(entries)
            except EditionSuperseded:
                renders[name] = await a_press(redis, press.settings)
                await renders[name].render(entries)
            if act == "rebuild":
                await renders[name].rendering.rebuild.run_if_needed()

    last = await a_press(redis, press.settings)
    await last.rendering.rebuild.run_if_needed()

    assert last.edition.site.title["en"] == "Office of the Sea"
    assert last.files_naming("Office of the Harbour") == set()
    assert await last.differences(tmp_path / "rebuilt") == NOTHING


async def test_an_interrupted_change_that_is_taken_back_leaves_no_page_of_it(
    press: Press, redis: Redis, tmp_path: Path
) -> None:
    for name in ("a", "b", "c"):
        await press.newsroom.publish(name)
    await press.render()
    await press.rendering.rebuild.run_if_needed()
    renamed(tmp_path, "Office of the Sea")
    changed = await a_press(redis, press.settings)
    with pytest.raises(KeyboardInterrupt):
        await changed.rendering.rebuild.run(on_progress=_interrupt)
    without_theme(tmp_path)

    back = await a_press(redis, press.settings)
    await back.rendering.rebuild.run_if_needed()

    assert back.files_naming("Office of the Sea") == set()
    assert await back.differences(tmp_path / "rebuilt") == NOTHING


def _interrupt(_: object) -> None:
    raise KeyboardInterrupt
