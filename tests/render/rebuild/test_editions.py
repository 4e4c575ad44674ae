"""A fault of ours is no verdict on content: a slip in a template unpublishes nothing, and what is mended comes back."""

from pathlib import Path

from redis.asyncio import Redis

from services.render.rebuild.verify import Differences
from shared.http.store_numbers import UnshownNumbers, unshown_numbers
from shared.model.ids import ItemId
from shared.model.listings import Listing
from shared.runtime.settings import Settings
from shared.store.public_items import PublicItems
from tests.render.newsroom import BROKEN_TITLE, Press, a_press, break_template
from tests.store_contents import newest

NOTHING = Differences()
HOME = Listing("en", "home")


def slip(folder: Path) -> None:
    """Give the site a theme whose item page asks for a word that is none."""
    break_template(folder)
    template = folder / "theme/templates/item.html"
    template.write_text('{% extends "shipped/item.html" %}{% block content %}{{ page.card.titel.x }}{% endblock %}')


def mend(folder: Path) -> None:
    (folder / "theme/templates/item.html").unlink()


async def restarted(redis: Redis, settings: Settings) -> Press:
    """Return a render service as it is after its start with the site file and theme of now."""
    press = await a_press(redis, settings)
    await press.rendering.rebuild.run_if_needed()
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
    slip(tmp_path)

    slipped = await restarted(redis, press.settings)

    assert {path: slipped.text(path) for path in before} == before
    assert all(path in slipped.text("/en/") for path in before)
    assert sorted(await listed(slipped)) == ["a", "b", "c"]
    assert await slipped.differences(tmp_path / "rebuilt") == NOTHING
    assert (await unshown_numbers(redis, 0)).unrenderable == len(items)


async def test_what_was_unrenderable_is_rendered_when_the_slip_is_mended(
    press: Press, redis: Redis, tmp_path: Path
) -> None:
    items = [await press.newsroom.publish(name) for name in ("a", "b", "c")]
    await press.render()
    await press.rendering.rebuild.run_if_needed()
    slip(tmp_path)
    slipped = await restarted(redis, press.settings)
    await slipped.newsroom.publish("a", title="A new title")
    await slipped.render()
    mend(tmp_path)

    mended = await restarted(redis, press.settings)

    assert all(mended.has(item.path) for item in items)
    assert await mended.differences(tmp_path / "rebuilt") == NOTHING
    a = await mended.newsroom.store.get(items[0].item.id)
    assert a is not None
    assert (a.shown, a.public, a.unrenderable) == (1, 1, 2)
    assert await unshown_numbers(redis, 0) == UnshownNumbers(waiting=0, oldest_seconds=0, unrenderable=1)


async def test_an_item_that_no_edition_has_rendered_on_a_new_volume_is_on_no_list(
    press: Press, redis: Redis, tmp_path: Path
) -> None:
    bad = await press.newsroom.publish("bad", title=BROKEN_TITLE)
    good = await press.newsroom.publish("good")
    await press.render()
    break_template(tmp_path)
    new_volume = press.settings.model_copy(update={"output_dir": tmp_path / "new"})

    strict = await restarted(redis, new_volume)
    await strict.newsroom.publish("another")
    await strict.render()

    assert not strict.has(bad.path)
    assert strict.files_naming(bad.path) == set()
    assert good.path in strict.text("/en/")
    assert await strict.differences(tmp_path / "rebuilt") == NOTHING
