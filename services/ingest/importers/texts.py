"""What other systems call a title, a summary or a tag, made fit for an item."""

import html
import re
import unicodedata
from datetime import UTC, datetime
from urllib.parse import urljoin

import nh3
from slugify import slugify

_TEXT_ONLY = nh3.Cleaner(tags=set())
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
_BLOCK_END = re.compile(r"</(?:p|div|li|h[1-6]|tr|blockquote)>|<br\s*/?>", re.IGNORECASE)
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_MOST_TAGS = 20
_LONGEST_TITLE = 500
_LONGEST_SUMMARY = 2000


def one_line(markup: str | None) -> str:
    """Return the text of a title that may hold markup, as one line."""
    text = html.unescape(_TEXT_ONLY.clean(markup or ""))
    return " ".join(clean(_BIDI.sub("", text)).split())[:_LONGEST_TITLE]


def summary(markup: str | None) -> str | None:
    """Return the text of a summary that may hold markup, or None."""
    parted = _BLOCK_END.sub("\n", markup or "")
    text = html.unescape(_TEXT_ONLY.clean(parted))
    lines = (" ".join(line.split()) for line in clean(_BIDI.sub("", text)).split("\n"))
    return "\n".join(line for line in lines if line)[:_LONGEST_SUMMARY] or None


def clean(text: str) -> str:
    """Return the text without characters that no feed could carry."""
    return _FORBIDDEN.sub("", unicodedata.normalize("NFC", text.replace("\r\n", "\n")))


def tags(names: list[str]) -> list[str]:
    """Return the names as tags, each once; those of which nothing can be written are left out."""
    made = (slugify(name, max_length=64, word_boundary=True) for name in names)
    return list(dict.fromkeys(tag for tag in made if tag))[:_MOST_TAGS]


def slug(name: str | None) -> str | None:
    """Return a slug that the source chose, or None where this site could not have it."""
    made = slugify(name or "", max_length=100)
    return None if not made or made.isdigit() else made


def moment(text: str | None) -> str | None:
    """Return a moment in ISO 8601 with its offset; one without is taken for UTC. Raises ValueError for no moment."""
    if not text or not text.strip():
        return None
    found = datetime.fromisoformat(text.strip())
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()


def moment_if_any(text: str | None) -> str | None:
    """Return the moment, or what cannot be read as it stands: the service says what is wrong with it."""
    try:
        return moment(text)
    except ValueError:
        return text


def with_whole_links(markup: str, base: str | None) -> str:
    """Return HTML whose links and images are found from anywhere, as they would be from `base`."""
    if base is None:
        return markup
    return nh3.clean(markup, url_relative=("rewrite_with_base", base), link_rel=None)


def https(url: str | None, base: str | None = None) -> str | None:
    """Return the address over https, seen from `base` if it is relative, or None where there is none."""
    address = (url or "").strip()
    if address and base:
        address = urljoin(base, address)
    if address.startswith("http://"):
        address = "https://" + address.removeprefix("http://")
    return address if address.startswith("https://") and " " not in address else None
