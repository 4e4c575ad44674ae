"""Search results as templates read them: cards whose title and excerpt show what was found."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.render.text.stemming import Term, highlighted, matches
from services.render.theme.view_models import Card
from shared.model.items import PublicItem
from shared.text.markup import body_html, excerpt, printable, text_of

_EXCERPT_CHARS = 240
_CHARS_BEFORE = 60

Highlighted = Sequence[tuple[str, bool]]
"""A text in parts, each with whether it is to be highlighted."""


@dataclass(frozen=True)
class SearchResult:
    """One item that was found."""

    card: Card
    title: Highlighted
    excerpt: Highlighted


@dataclass(frozen=True)
class SearchResults:
    """The query, one page of results, and the addresses of the pages before and after it."""

    words: str
    section: str | None
    since: str
    until: str
    found: Sequence[SearchResult]
    previous: str | None
    following: str | None


def search_result(item: PublicItem, card: Card, terms: Sequence[Term]) -> SearchResult:
    """Return the item as search shows it."""
    lang = item.revision.lang
    return SearchResult(card, highlighted(card.title, terms, lang), highlighted(passage(item, terms), terms, lang))


def passage(item: PublicItem, terms: Sequence[Term]) -> str:
    """Return the passage where the first match stands, or the beginning."""
    revision = item.revision
    body = text_of(body_html(revision.body, revision.body_format))
    words = f"{printable(revision.summary or '')} {body}".split()
    first = next((place for place, word in enumerate(words) if _is_match(word, terms, revision.lang)), 0)
    start = first
    while start > 0 and sum(len(word) + 1 for word in words[start:first]) < _CHARS_BEFORE:
        start -= 1
    # 240 words hold at least the 240 characters of the excerpt.
    text = excerpt(" ".join(words[start : start + _EXCERPT_CHARS]), _EXCERPT_CHARS)
    return f"… {text}" if start else text


def _is_match(word: str, terms: Sequence[Term], lang: str) -> bool:
    return matches(word.strip("«»“”\"'()[].,:;!?–—…"), terms, lang)  # noqa: RUF001 - the dashes of the languages
