"""A theme's files: shipped ones, and an institution's own over them."""

from pathlib import Path

import pytest

from services.render.theme.files import ThemeFiles


def a_theme(folder: Path, **files: str) -> Path:
    """Write files, named by their paths with `__` for `/`, and return their folder."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_static_file_has_its_version_in_its_path() -> None:
    files = ThemeFiles(None)

    path = files.static_path("site.css")

    assert path.startswith("/static/site.")
    assert path.endswith(".css")
    assert len(path) == len("/static/site.12345678.css")
    assert path in files.static_files()


def test_an_institution_replaces_and_adds_static_files(tmp_path: Path) -> None:
    theme = a_theme(tmp_path, static__icon_dot_svg="<svg/>", static__theme_dot_css=":root{}")

    files = ThemeFiles(theme)

    assert files.static_files()[files.static_path("icon.svg")] == b"<svg/>"
    assert {"site.css", "theme.css", "icon.svg"} <= files.static_names


def test_a_style_sheet_names_other_static_files_by_their_versions(tmp_path: Path) -> None:
    css = "@font-face{src:url('fonts/a.woff2')} a{background:url(https://e.org/x.png)}"
    theme = a_theme(tmp_path, static__theme_dot_css=css, static__fonts__a_dot_woff2="font")

    files = ThemeFiles(theme)

    served = files.static_files()[files.static_path("theme.css")].decode()
    assert f'src:url("{files.static_path("fonts/a.woff2")}")' in served
    assert "url(https://e.org/x.png)" in served


def test_a_style_sheet_has_a_new_path_when_a_file_that_it_names_changes(tmp_path: Path) -> None:
    before = ThemeFiles(a_theme(tmp_path, static__theme_dot_css="a{}", static__a_dot_svg="1"))

    after = ThemeFiles(a_theme(tmp_path, static__a_dot_svg="2"))

    assert before.static_path("theme.css") != after.static_path("theme.css")


def test_an_institution_says_only_what_it_says_otherwise(tmp_path: Path) -> None:
    po = 'msgid "Home"\nmsgstr "Start page"\n'

    words = ThemeFiles(a_theme(tmp_path, locales__en__LC_MESSAGES__clarion_dot_po=po)).catalogues["en"]

    assert words["", "Home"] == "Start page"
    assert words["", "Search"] == "Search"


def test_an_institution_adds_a_language(tmp_path: Path) -> None:
    po = 'msgid "Home"\nmsgstr "Startseite"\n'

    catalogues = ThemeFiles(a_theme(tmp_path, locales__de__LC_MESSAGES__clarion_dot_po=po)).catalogues

    assert catalogues["de"] == {("", "Home"): "Startseite"}


@pytest.mark.parametrize(
    "changed", ["static__a_dot_css", "templates__item_dot_html", "locales__de__LC_MESSAGES__clarion_dot_po"]
)
def test_the_fingerprint_changes_with_any_file(tmp_path: Path, changed: str) -> None:
    before = ThemeFiles(tmp_path).fingerprint

    after = ThemeFiles(a_theme(tmp_path, **{changed: ""})).fingerprint

    assert before != after


def test_the_fingerprint_is_the_same_for_the_same_files(tmp_path: Path) -> None:
    first, second = (a_theme(tmp_path / name, static__a_dot_css="a{}") for name in ("one", "two"))

    assert ThemeFiles(first).fingerprint == ThemeFiles(second).fingerprint
