"""A trial renders every sort of page, in every language and kind: a slip anywhere is found before it is used."""

from importlib.resources import files
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.render.editions.current import adopt_edition
from services.render.editions.trial import Trial, samples_of, specimens_of
from shared.model.errors import EditionRefused
from shared.runtime.settings import Settings
from tests.render.editions.changes import with_template
from tests.render.newsroom import Press

TEMPLATES = sorted(one.name for one in files("services.render.theme").joinpath("templates").iterdir())


@pytest.mark.parametrize("template", TEMPLATES)
async def test_a_slip_in_any_template_is_refused_with_its_name_and_line(
    redis: Redis, settings: Settings, tmp_path: Path, template: str
) -> None:
    (tmp_path / "pages" / "en").mkdir(parents=True)
    (tmp_path / "pages" / "en" / "contacts.md").write_text("# Contacts\n\nHere.")
    site_file = tmp_path / "site.toml"
    site_file.write_text('pages = "pages"\n' + site_file.read_text())
    with_template(tmp_path, template, "\n{{ nothing.at.all }}\n")

    with pytest.raises(EditionRefused, match=rf"'nothing' is undefined \({template} line 2\)"):
        await adopt_edition(settings, redis)


async def test_a_template_that_does_not_parse_is_refused_with_its_name_and_line(
    redis: Redis, settings: Settings, tmp_path: Path
) -> None:
    with_template(tmp_path, "home.html", "{% if %}")

    with pytest.raises(EditionRefused, match=r"TemplateSyntaxError.*\(home\.html line 1\)"):
        await adopt_edition(settings, redis)


@pytest.mark.parametrize(
    "condition",
    [
        pytest.param('frame.lang == "ar"', id="a language"),
        pytest.param('page.card.section_kind.name == "document"', id="a kind"),
        pytest.param("page.notice", id="a notice"),
        pytest.param("page.translations", id="translations"),
    ],
)
async def test_a_slip_that_only_some_pages_show_is_refused(
    redis: Redis, settings: Settings, tmp_path: Path, condition: str
) -> None:
    slip = f"{{% if {condition} %}}{{{{ nothing.at.all }}}}{{% endif %}}"
    block = "{% block content %}" + slip + "{{ super() }}{% endblock %}"
    with_template(tmp_path, "item.html", '{% extends "shipped/item.html" %}' + block)

    with pytest.raises(EditionRefused, match="nothing"):
        await adopt_edition(settings, redis)


@pytest.mark.parametrize(
    "site_toml",
    [
        pytest.param("title = 1", id="a key of a wrong type"),
        pytest.param("[[", id="no TOML"),
        pytest.param('theme = "theme"', id="keys that are missing"),
    ],
)
async def test_a_site_file_that_cannot_be_read_is_refused_like_a_theme(
    press: Press, redis: Redis, tmp_path: Path, site_toml: str
) -> None:
    (tmp_path / "site.toml").write_text(site_toml)

    tried = await adopt_edition(press.settings, redis)

    assert tried.edition.record == press.edition.record
    assert tried.edition.site.title == press.edition.site.title


async def test_known_good_items_are_tried_and_specimens_where_there_are_none(press: Press) -> None:
    await press.newsroom.publish("a")
    await press.newsroom.publish("b", section="documents/orders", lang="ru")
    await press.render()

    samples = await samples_of(press.newsroom.store, press.edition.site)

    tried = {
        (one.lang, one.section.kind.name): [item.item.external_id for item in one.items]
        for one in samples
        if one.items[0].item.source == "press"
    }
    assert tried == {("en", "article"): ["a"], ("ru", "document"): ["b"]}
    assert len(samples) == len(specimens_of(press.edition.site)) == 6
    assert Trial(press.edition, samples).fault() is None
