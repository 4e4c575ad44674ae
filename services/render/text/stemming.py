"""
Words as search compares them: without case, accents and vowel signs, whole and without their endings.

A word is indexed as it stands and as its stem, and asked for as a beginning and as a stem. The stems are light: only
endings are cut, longest first, and never more than leaves a stem of some letters, so that two forms of a word meet
and two words seldom do. `locales/<language>/endings.txt` lists them; a language without that file is found by whole
words and beginnings.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from services.render.text.language import SHIPPED_LOCALES

_WORD = re.compile(r"\w+")
# Writers use these letters and their plain forms alike, and NFKD does not fold them.
_SAME_LETTERS = str.maketrans({"ı": "i", "ə": "e", "ة": "ه", "ى": "ي", "ـ": "", "ؤ": "و", "ئ": "ي"})  # noqa: RUF001
_SHORTEST_STEM = 3
_LONGEST_WITH_ENDING = 64  # longer strings are not words but addresses, sums or data
# An LRU cache of 10 MB when full. It answers nine of ten words of an archive; without it, cutting endings took three
# quarters of the time of indexing.
_STEMS_KEPT = 50_000

_ARABIC_BEGINNINGS = ("وال", "بال", "كال", "فال", "لل", "ال")


@dataclass(frozen=True)
class Term:
    """A word of a query. It matches words that begin with it, and words with its stem in one of the languages."""

    beginning: str
    stems: frozenset[str]


def words_of(text: str) -> Iterator[str]:
    """Yield the words of a text, folded."""
    return (found[0] for found in _WORD.finditer(fold(text)))


def fold(text: str) -> str:
    """Return the text without case, accents and vowel signs."""
    return unicodedata.normalize("NFKD", text.casefold()).translate(_FOLDING)


class _Folding(dict[int, str | int | None]):
    """A cache of what each character is folded to, filled at first use for the characters of living scripts."""

    def __missing__(self, code: int) -> int | None:
        folded = None if unicodedata.category(chr(code)).startswith("M") else code
        if code <= _LAST_OF_LIVING_SCRIPTS:
            self[code] = folded
        return folded


_LAST_OF_LIVING_SCRIPTS = 0xFFFF
_FOLDING = _Folding(_SAME_LETTERS)


def stem(word: str, lang: str) -> str:
    """Return a folded word without its ending, and without an Arabic article."""
    return _stem(word, lang.partition("-")[0]) if len(word) <= _LONGEST_WITH_ENDING else word


@lru_cache(maxsize=_STEMS_KEPT)
def _stem(word: str, base: str) -> str:
    if base == "ar":
        for beginning in _ARABIC_BEGINNINGS:
            if word.startswith(beginning) and len(word) - len(beginning) >= _SHORTEST_STEM:
                word = word.removeprefix(beginning)
                break
    # Cut twice: an ending may follow a vowel that is the ending of another form (idarəsinin, idarə).
    word = _without_ending(_without_ending(word, base), base)
    if base == "az" and len(word) > _SHORTEST_STEM + 1:
        # Before a vowel `k` is written `y`, and `q` as the letter that folds to `g`: nazirlik, nazirliyin.
        word = word.removesuffix("y") + "k" if word.endswith("y") else word
        word = word.removesuffix("g") + "q" if word.endswith("g") else word
    return word


def _without_ending(word: str, base: str) -> str:
    endings = _endings(base)
    for length in range(min(endings.longest, len(word) - _SHORTEST_STEM), 0, -1):
        if word[-length:] in endings.all:
            return word[:-length]
    return word


@dataclass(frozen=True)
class _Endings:
    """A language's endings, folded as words are; empty for a language without a list."""

    all: frozenset[str]
    longest: int


@cache
def _endings(base: str) -> _Endings:
    file = SHIPPED_LOCALES / base / "endings.txt"
    endings = frozenset(map(fold, file.read_text(encoding="utf-8").split() if file.is_file() else []))
    return _Endings(endings, max(map(len, endings), default=0))


def terms_of(words: str, languages: Iterable[str]) -> Sequence[Term]:
    """Return a term for each word of a query."""
    wanted = list(languages)
    return [Term(word, frozenset(stem(word, lang) for lang in wanted)) for word in dict.fromkeys(words_of(words))]


def matches(word: str, terms: Sequence[Term], lang: str) -> bool:
    """Whether a word of a text matches one of the terms."""
    folded = fold(word)
    return any(folded.startswith(term.beginning) or stem(folded, lang) in term.stems for term in terms)


def highlighted(text: str, terms: Sequence[Term], lang: str) -> Sequence[tuple[str, bool]]:
    """Return the text in parts, each with whether it matches one of the terms."""
    parts: list[tuple[str, bool]] = []
    end = 0
    # `re` does not count vowel signs as word characters, so the pattern names them.
    for found in re.finditer(r"[\w\u0300-\u036f\u064b-\u065f\u0670]+", text):
        if matches(found[0], terms, lang):
            parts += [(text[end : found.start()], False), (found[0], True)]
            end = found.end()
    return [part for part in (*parts, (text[end:], False)) if part[0]]
