"""The site file: what it may say, and what is said of one that cannot be used."""

from pathlib import Path

import pytest

from shared.model.errors import UnusableSiteFile
from shared.model.site_file import Site, load_site
from tests.factories import SITE_TOML, a_site_file


def load(folder: Path, text: str) -> Site:
    file = folder / "site.toml"
    file.write_text(text, encoding="utf-8")
    return load_site(file)


def test_a_whole_site_file_is_read(tmp_path: Path) -> None:
    site = load_site(a_site_file(tmp_path))

    assert site.languages == ("en", "ru", "ar")
    assert site.section_at["documents/orders"].name["ru"] == "Распоряжения"
    assert site.latest_sections == ("documents",)
    assert str(site.zone) == "Asia/Baku"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(("Asia/Baku", "Baku"), '"Baku" is not an IANA time zone', id="time zone"),
        pytest.param(('"ar"]', '"ar", "xx"]'), '"xx" is not a language tag', id="language"),
        pytest.param(('"ar"]', '"ar", "fr"]'), "title has no text in fr", id="a language without words"),
        pytest.param(('path = "documents"', 'path = "papers"'), '"documents/orders" has no parent', id="no parent"),
        pytest.param(('path = "news"', 'path = "tags"'), '"tags" cannot stand in a section path', id="reserved"),
        pytest.param(('path = "news"', 'path = "../news"'), '".." cannot stand', id="out of its folder"),
        pytest.param(('kind = "article"', 'kind = "blog"'), "sections.0.kind", id="kind"),
        pytest.param(("timezone", "time_zone"), "time_zone: unknown key", id="unknown key"),
        pytest.param(("[[sections]]", "[[sections"), "not TOML", id="not TOML"),
        pytest.param(('path = "documents/orders"', 'path = "news"'), 'section "news" stands there twice', id="twice"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_file(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    with pytest.raises(UnusableSiteFile, match=r"site\.toml") as refused:
        load(tmp_path, SITE_TOML.replace(*change))

    assert words in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnusableSiteFile, match="there is no such file"):
        load_site(tmp_path / "none.toml")


def test_files_that_say_the_same_have_one_fingerprint(tmp_path: Path) -> None:
    first = load(tmp_path, SITE_TOML)

    again = load(tmp_path, "# a comment\n" + SITE_TOML)
    other = load(tmp_path, SITE_TOML.replace("News", "Latest"))

    assert first.fingerprint == again.fingerprint != other.fingerprint
