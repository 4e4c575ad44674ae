"""Each language says words, dates and sizes in its own way."""

import re
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from string import Formatter

import pytest

from services import render
from services.render.text.language import (
    CATALOGUE,
    SHIPPED_LOCALES,
    Catalogue,
    language_of,
    read_catalogue,
)
from shared.model.kinds.section_kinds import SECTION_KINDS
from tests.render.presentation_samples import shipped_language

MOMENT = datetime(2023, 7, 30, 17, 25, tzinfo=UTC)
_SERVICE = Path(str(render.__file__)).parent
SHIPPED_LANGUAGES = ("ar", "az", "en", "fr", "ru")


def _catalogue(tag: str) -> Catalogue:
    return read_catalogue((SHIPPED_LOCALES / tag / CATALOGUE).read_bytes())


@pytest.mark.parametrize(
    ("tag", "date", "time", "date_and_time", "month"),
    [
        ("ru", "30 июля 2023", "17:25", "30 июля 2023, 17:25", "июль 2023"),
        ("az", "30 iyul 2023", "17:25", "30 iyul 2023, 17:25", "iyul 2023"),
        ("en", "30 July 2023", "17:25", "30 July 2023, 17:25", "July 2023"),
        ("ar", "30 يوليو 2023", "17:25", "30 يوليو 2023، 17:25", "يوليو 2023"),
        ("fr", "30 juillet 2023", "17h25", "30 juillet 2023 à 17h25", "juillet 2023"),
        ("de", "30 Juli 2023", "17:25", "30 Juli 2023, 17:25", "Juli 2023"),
        ("pt-BR", "30 julho 2023", "17:25", "30 julho 2023, 17:25", "julho 2023"),
    ],
)
def test_a_language_writes_dates_as_its_readers_do(
    tag: str, date: str, time: str, date_and_time: str, month: str
) -> None:
    language = shipped_language(tag)

    assert language.date(MOMENT) == date
    assert language.time(MOMENT) == time
    assert language.date_and_time(MOMENT) == date_and_time
    assert language.month(2023, 7) == month


@pytest.mark.parametrize("order", list(permutations(("az", "fr", "ru"))))
def test_months_do_not_depend_on_which_language_was_asked_first(order: tuple[str, ...]) -> None:
    for tag in order:
        language_of(tag, {}).month(2023, 7)

    assert [language_of(tag, {}).month(2023, 7) for tag in ("az", "fr", "ru")] == [
        "iyul 2023",
        "juillet 2023",
        "июля 2023",
    ]


@pytest.mark.parametrize(
    ("tag", "size_bytes", "expected"),
    [
        ("en", 512, "512 byte"),
        ("en", 1_000, "1 kB"),
        ("en", 1_234_567, "1.2 MB"),
        ("en", 5_000_000_000, "5 GB"),
        ("ru", 1_234_567, "1,2 МБ"),
        ("az", 1_234_567, "1,2 MB"),
        ("fr", 1_234_567, "1,2\u202fMo"),
    ],
)
def test_sizes_are_written_for_people(tag: str, size_bytes: int, expected: str) -> None:
    assert shipped_language(tag).size(size_bytes) == expected


@pytest.mark.parametrize(
    ("tag", "direction"), [("ar", "rtl"), ("he", "rtl"), ("fa", "rtl"), ("ur", "rtl"), ("ru", "ltr")]
)
def test_a_language_knows_its_direction(tag: str, direction: str) -> None:
    assert shipped_language(tag).direction == direction


@pytest.mark.parametrize(
    ("tag", "name"), [("ru", "Русский"), ("az", "Azərbaycan"), ("ar", "العربية"), ("fr", "Français")]
)
def test_a_language_is_called_what_it_calls_itself(tag: str, name: str) -> None:
    assert shipped_language(tag).name == name


@pytest.mark.parametrize("tag", SHIPPED_LANGUAGES)
def test_a_shipped_language_says_all_that_pages_say(tag: str) -> None:
    sources = [*_SERVICE.rglob("*.html"), *_SERVICE.rglob("*.py")]
    said = {words for source in sources for words in re.findall(r'\bsay\(\s*"([^"]+)"', source.read_text())}

    labels = {label for kind in SECTION_KINDS for label in kind.labels.values()}

    translated = {words for context, words in _catalogue(tag) if context == ""}

    assert translated == said | labels


@pytest.mark.parametrize("tag", SHIPPED_LANGUAGES)
def test_a_shipped_language_has_the_entries_of_the_english_one(tag: str) -> None:
    assert {key for key in _catalogue(tag) if key[0] != "month"} == _catalogue("en").keys()


@pytest.mark.parametrize("tag", SHIPPED_LANGUAGES)
def test_a_translation_fills_the_places_of_its_original(tag: str) -> None:
    for (_, words), translation in _catalogue(tag).items():
        assert {name for _, name, _, _ in Formatter().parse(translation)} >= {
            name for _, name, _, _ in Formatter().parse(words)
        } - {None}


def test_russian_names_every_month_as_it_stands_alone() -> None:
    named = [shipped_language("ru").month(2025, month).removesuffix(" 2025") for month in range(1, 13)]

    assert named == [
        *("январь", "февраль", "март", "апрель", "май", "июнь"),
        *("июль", "август", "сентябрь", "октябрь", "ноябрь", "декабрь"),
    ]


def test_a_language_without_a_catalogue_speaks_english() -> None:
    assert shipped_language("de").say("Page {number}", number=2) == "Page 2"


def test_a_regional_language_speaks_as_its_parent_does() -> None:
    assert shipped_language("fr-CA").say("Home") == "Accueil"


def test_an_empty_or_fuzzy_translation_counts_as_missing() -> None:
    po = b'msgid "Home"\nmsgstr ""\n\n#, fuzzy\nmsgid "Search"\nmsgstr "Such"\n\nmsgid "Links"\nmsgstr "Verweise"\n'

    assert read_catalogue(po) == {("", "Links"): "Verweise"}
