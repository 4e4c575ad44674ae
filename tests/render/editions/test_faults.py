"""A fault of ours is no verdict on content: a slip in a template unpublishes nothing, and what is mended comes back."""

from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.render.editions.current import adopt_edition
from services.render.pipeline.vetoed import SecondTry
from services.render.rebuild.verify import Differences
from shared.http.store_numbers import StoreWatch, UnshownNumbers, unshown_numbers
from shared.model.errors import EditionBroken, EditionRefused
from shared.model.ids import ItemId
from shared.model.listings import Listing
from shared.runtime.settings import Settings
from shared.store.public_items import PublicItems
from shared.store.site_record import EditionNote, note_edition, read_site
from tests.render.editions.changes import SLIP, with_template, without_theme
from tests.render.newsroom import BROKEN_TITLE, FIRST_DAY, Press, a_press, break_template
from tests.store_contents import newest

NOTHING = Differences()
HOME = Listing("en", "home")


async def restarted(redis: Redis, settings: Settings) -> Press:
    """Return a render service as it is after its start with the site file and theme of now."""
    press = await a_press(redis, settings)
    await press.rendering.rebuild.run_if_needed()
    await SecondTry(redis, press.edition.record.number).run()
    return press


async def listed(press: Press) -> list[str]:
    ids = [ItemId(member) for member in await newest(press.redis, HOME)]
    return [
        item.item.external_id
        for item in (await PublicItems(press.newsroom.store, press.edition.site.languages).by_id(ids)).values()
    ]


async def test_a_slip_in_a_template_takes_no_page_off_the_air(press: Press, redis: Redis, tmp_path: Path) -> None:
    items = [await press.newsroom.publish(name) for name in ("a", "b", "c")]
    await press.render()
    await press.rendering.rebuild.run_if_needed()
    before = {item.path: press.text(item.path) for item in items}
    with_template(tmp_path, "item.html", SLIP)

    slipped = await restarted(redis, press.settings)
    later = await slipped.newsroom.publish("d")
    await slipped.render()

    assert slipped.edition.record == press.edition.record
    assert {path: slipped.text(path) for path in before} == before
    assert all(path in slipped.text("/en/") for path in before)
    assert sorted(await listed(slipped)) == ["a", "b", "c", "d"]
    assert "Item d" in slipped.text(later.path)
    assert await slipped.differences(tmp_path / "rebuilt") == NOTHING
    assert await unshown_numbers(redis, 0) == UnshownNumbers(waiting=0, oldest_seconds=0, unrenderable=0)


async def test_a_first_edition_that_is_refused_renders_nothing_and_the_mended_one_everything(
    redis: Redis, settings: Settings, tmp_path: Path
) -> None:
    with_template(tmp_path, "item.html", SLIP)
    with pytest.raises(EditionRefused, match=r"titel.*item\.html line 3"):
        await adopt_edition(settings, redis)
    assert await read_site(redis) is None
    without_theme(tmp_path)

    mended = await restarted(redis, settings)
    item = await mended.newsroom.publish("a")
    await mended.render()

    assert mended.edition.record.number == 1
    assert mended.has(item.path)


async def test_a_refused_edition_is_named_with_template_and_line_while_its_render_lives(redis: Redis) -> None:
    reason = "UndefinedError: no titel (item.html line 3)"
    await note_edition(redis, "render-1", EditionNote(fingerprint="f", refused=reason))
    await note_edition(redis, "render-2", EditionNote(fingerprint="f", refused=reason))
    await note_edition(redis, "render-3", EditionNote(fingerprint="e"))

    assert (await StoreWatch(redis).read()).refused_editions == (reason,)


async def test_an_edition_that_fails_on_one_item_that_is_known_to_be_good_is_refused(
    press: Press, redis: Redis, tmp_path: Path
) -> None:
    await press.newsroom.publish("good")
    odd = await press.newsroom.publish("odd", title=BROKEN_TITLE)
    await press.render()
    break_template(tmp_path)

    strict = await restarted(redis, press.settings)

    assert strict.edition.record == press.edition.record
    assert BROKEN_TITLE in strict.text(odd.path)


async def test_a_veto_names_its_edition_and_ends_with_it(press: Press, redis: Redis, tmp_path: Path) -> None:
    await press.newsroom.publish("good")
    await press.render()
    break_template(tmp_path)
    strict = await restarted(redis, press.settings)
    odd = await strict.newsroom.publish("odd", title=BROKEN_TITLE)
    await strict.render()
    vetoed = (await StoreWatch(redis).read()).vetoed
    announced = await strict.announced()
    without_theme(tmp_path)

    mended = await restarted(redis, press.settings)
    await mended.render()

    assert len(vetoed) == 1
    assert vetoed[0].startswith("press/odd revision 1, by edition 2: UndefinedError: ")
    assert vetoed[0].endswith("(item.html line 1)")
    assert not {item_id for _, item_id in announced} & {f"{odd.item.id}-1"}
    assert BROKEN_TITLE in mended.text(odd.path)
    assert odd.path in mended.text("/en/")
    assert (await mended.announced())[-1] == ("item.published.v1", f"{odd.item.id}-1")
    assert await mended.dead_letters() == []
    assert await unshown_numbers(redis, 0) == UnshownNumbers(waiting=0, oldest_seconds=0, unrenderable=0)


async def test_a_revision_is_not_tried_again_once_readers_see_a_later_one(
    press: Press, redis: Redis, tmp_path: Path
) -> None:
    break_template(tmp_path)
    strict = await restarted(redis, press.settings)
    await strict.newsroom.publish("odd", title=BROKEN_TITLE)
    await strict.render()
    await strict.newsroom.publish("odd", title="Another title")
    await strict.render()
    without_theme(tmp_path)

    mended = await restarted(redis, press.settings)

    assert await mended.take() == []
    assert await mended.public("odd") == 2


async def test_a_fault_that_known_good_items_show_too_is_no_verdict_on_an_item(
    press: Press, redis: Redis, tmp_path: Path
) -> None:
    """The theme passes its trial and breaks later: a catalogue's file, the memory, whatever a page is made with."""
    fuse = "{% if fuse is defined %}{{ fuse.is.blown }}{% endif %}"
    with_template(tmp_path, "card.html", fuse + '{% include "shipped/card.html" %}')
    with_template(tmp_path, "footer.html", fuse)
    await press.newsroom.publish("good")
    await press.render()
    fused = await restarted(redis, press.settings)
    fused.edition.theme._environment.globals["fuse"] = True  # noqa: SLF001 - no template can blow one by itself
    item = await fused.newsroom.publish("a")

    with pytest.raises(EditionBroken, match="cannot render what it could"):
        await fused.render()

    assert await fused.public("a") == 1
    assert (await unshown_numbers(redis, 0)).unrenderable == 0
    assert await fused.dead_letters() == []
    assert not fused.has(item.path)


async def test_an_item_that_no_edition_has_rendered_on_a_new_volume_is_on_no_list(
    press: Press, redis: Redis, tmp_path: Path
) -> None:
    bad = await press.newsroom.publish("bad", title=BROKEN_TITLE)
    good = [
        await press.newsroom.publish(f"good-{day}", published_at=FIRST_DAY + timedelta(days=day)) for day in range(1, 6)
    ]
    await press.render()
    break_template(tmp_path)
    new_volume = press.settings.model_copy(update={"output_dir": tmp_path / "new"})

    strict = await restarted(redis, new_volume)
    await strict.newsroom.publish("another")
    await strict.render()

    assert not strict.has(bad.path)
    assert strict.files_naming(bad.path) == set()
    assert all(one.path in strict.text("/en/news/") for one in good)
    assert await strict.differences(tmp_path / "rebuilt") == NOTHING
