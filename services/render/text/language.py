"""
The site's own words in each language: texts from gettext catalogues, dates, numbers and sizes by Babel.

README.md tells how to add a language. A text that no catalogue of a language has is given in English.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from io import BytesIO
from pathlib import Path
from typing import Literal

from babel import Locale
from babel.dates import parse_pattern
from babel.messages.pofile import read_po
from babel.units import format_unit

SHIPPED_LOCALES = Path(__file__).parent / "locales"
CATALOGUE = "LC_MESSAGES/clarion.po"

Catalogue = Mapping[tuple[str, str], str]
"""Translations by context (empty for none) and English words."""

_ENGLISH_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_SIZES = ((1_000_000_000, "gigabyte"), (1_000_000, "megabyte"), (1_000, "kilobyte"))


class Language:
    """The site's own words in one language. Moments are given in the site's time zone."""

    def __init__(self, tag: str, catalogues: Iterable[Catalogue]) -> None:
        """`catalogues`: the first one that has an entry gives its words."""
        self.tag = tag
        self._locale = Locale.parse(tag, sep="-")
        self._words: dict[tuple[str, str], str] = {}
        for catalogue in catalogues:
            for key, words in catalogue.items():
                self._words.setdefault(key, words)
        self._date = parse_pattern(self._pattern("d MMMM y"))
        self._time = parse_pattern(self._pattern("HH:mm"))
        self._date_and_time = self._pattern("{date}, {time}")
        self.direction: Literal["ltr", "rtl"] = "rtl" if self._locale.character_order == "right-to-left" else "ltr"
        name = self._locale.get_display_name() or tag
        self.name = name[0].upper() + name[1:]
        """What the language calls itself."""
        self.og_locale = str(self._locale)

    def say(self, words: str, **values: object) -> str:
        """Return the translation of the English words, with its `{places}` filled."""
        return self._words.get(("", words), words).format(**values)

    def date(self, day: date) -> str:
        """Return such as "30 July 2023"."""
        return self._date.apply(day, self._locale)

    def time(self, moment: datetime) -> str:
        """Return such as "17:25"."""
        return self._time.apply(moment, self._locale)

    def date_and_time(self, moment: datetime) -> str:
        """Return such as "30 July 2023, 17:25"."""
        return self._date_and_time.format(date=self.date(moment), time=self.time(moment))

    def month(self, year: int, month: int) -> str:
        """
        Return such as "July 2023".

        Stand-alone forms come from catalogues since Babel 2.18 may give those of whichever language was loaded first:
        az, then fr, is "iyul" (python-babel/babel#1234).
        """
        name = self._words.get(("month", _ENGLISH_MONTHS[month - 1]))
        return self._pattern("{month} {year}").format(month=name or self._month_in_dates(month), year=year)

    def size(self, size_bytes: int) -> str:
        """Return such as "1.2 MB"."""
        for one, unit in _SIZES:
            if size_bytes >= one:
                tenths = round(size_bytes / one, 1)
                return format_unit(tenths, unit, length="short", locale=self._locale)
        return format_unit(size_bytes, "byte", length="short", locale=self._locale)

    def _pattern(self, name: str) -> str:
        return self._words.get(("pattern", name), name)

    def _month_in_dates(self, month: int) -> str:
        return parse_pattern("MMMM").apply(date(2000, month, 1), self._locale)


def language_of(tag: str, catalogues: Mapping[str, Catalogue]) -> Language:
    """Return the language, from its own catalogue, its parent's (`pt` for `pt-BR`) and the English one."""
    return Language(tag, [catalogues[name] for name in _lineage(tag) if name in catalogues])


def read_catalogue(po: bytes) -> Catalogue:
    """Return the translations of a .po file; those that are empty or fuzzy count as missing."""
    return {
        (message.context or "", message.id): message.string
        for message in read_po(BytesIO(po))
        if isinstance(message.id, str) and isinstance(message.string, str)
        if message.id and message.string and not message.fuzzy
    }


def _lineage(tag: str) -> tuple[str, ...]:
    parents = [tag]
    while "-" in parents[-1]:
        parents.append(parents[-1].rpartition("-")[0])
    return tuple(dict.fromkeys((*parents, "en")))
