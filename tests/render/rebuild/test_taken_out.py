"""A language or a section that is taken out of the site file leaves no link to it."""

from pathlib import Path

from shared.runtime.settings import Settings
from tests.factories import SITE_TOML
from tests.render.newsroom import Press, a_press

MONTH = "2026/05/"


async def restarted_with(press: Press, site_file: str) -> Press:
    """Return the render that starts with another site file and has written the site anew."""
    press.settings.site_file.write_text(site_file, encoding="utf-8")
    later = await a_press(press.redis, press.settings)
    await later.rendering.rebuild.run()
    return later


def without_russian() -> str:
    return SITE_TOML.replace('languages = ["en", "ru", "ar"]', 'languages = ["en", "ar"]')


def without_orders() -> str:
    return SITE_TOML[: SITE_TOML.rindex("[[sections]]")]


async def test_no_page_links_to_a_language_that_was_taken_out(press: Press, tmp_path: Path) -> None:
    for lang in ("en", "ru", "ar"):
        await press.newsroom.publish(f"a-{lang}", lang=lang, translation_set="a", tags=("sea",))
    await press.render()
    assert press.files_naming("/ru/")

    later = await restarted_with(press, without_russian())

    assert later.files_naming("/ru/") == set()
    assert later.files_naming("/ar/news/") != set()
    assert not any("/ru/" in f"/{file.relative_to(later.settings.output_dir)}" for file in _files(later.settings))
    await later.newsroom.publish("a-en", title="Revised")
    await later.newsroom.withdraw("a-ru")
    await later.render()
    assert later.files_naming("/ru/") == set()
    assert not await later.differences(tmp_path / "rebuilt")


async def test_an_item_in_a_section_that_was_taken_out_stays_and_links_to_no_list_of_it(
    press: Press, tmp_path: Path
) -> None:
    await press.newsroom.publish("order", section="documents/orders")
    await press.render()
    page = f"/en/documents/orders/{MONTH}order/"
    assert 'href="/en/documents/orders/"' in press.text(page)

    later = await restarted_with(press, without_orders())

    assert 'href="/en/documents/orders/"' not in later.text(page)
    assert '"/en/documents/orders/feed' not in later.text(page)
    assert 'href="/en/documents/"' in later.text(page)
    assert page in later.text("/en/documents/")
    await later.newsroom.publish("order", title="Revised")
    await later.render()
    assert not await later.differences(tmp_path / "rebuilt")


async def test_an_item_in_a_top_section_that_was_taken_out_has_a_page(press: Press, tmp_path: Path) -> None:
    await press.newsroom.publish("a")
    await press.render()
    news = SITE_TOML.index("[[sections]]")
    documents = SITE_TOML.index("[[sections]]", news + 1)

    later = await restarted_with(press, SITE_TOML[:news] + SITE_TOML[documents:])

    assert 'href="/en/news/"' not in later.text(f"/en/news/{MONTH}a/")
    assert not await later.differences(tmp_path / "rebuilt")


def _files(settings: Settings) -> list[Path]:
    return [file for file in settings.output_dir.rglob("*") if file.is_file()]
