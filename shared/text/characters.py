"""Which characters a text may have: those that XML can carry, and no marks that make it read as another text."""

import re
import unicodedata

# XML 1.0 (section 2.2) cannot carry these, so no feed could; \t \n \r may stand in bodies.
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
_LINE_BREAK = re.compile("[\t\n\r\x85\u2028\u2029]")
DIRECTION_MARKS = re.compile("[\u202a-\u202e\u2066-\u2069]")

_OVERRIDES = "\u202d\u202e"
_EMBEDDINGS = "\u202a\u202b"
_POP_EMBEDDING = "\u202c"
_ISOLATES = "\u2066\u2067\u2068"
_POP_ISOLATE = "\u2069"


def line_problem(text: str) -> str | None:
    """Return what is wrong with a text of one line (a title, a name), or None."""
    if _LINE_BREAK.search(text):
        return "must be one line"
    return text_problem(text)


def text_problem(text: str) -> str | None:
    """Return what is wrong with a text of several lines, or None."""
    found = FORBIDDEN.search(text)
    if found:
        return f"contains the control character U+{ord(found.group()):04X}"
    return _direction_problem(text)


def _direction_problem(text: str) -> str | None:
    """Characters that turn the writing direction round can make a text read as another (CVE-2021-42574)."""
    open_marks: list[str] = []
    for found in DIRECTION_MARKS.finditer(text):
        character = found.group()
        if character in _OVERRIDES:
            return f"contains {unicodedata.name(character)}, which can disguise text"
        if character in _EMBEDDINGS:
            open_marks.append(_POP_EMBEDDING)
        elif character in _ISOLATES:
            open_marks.append(_POP_ISOLATE)
        elif not open_marks or open_marks.pop() != character:
            return "contains an unbalanced mark of writing direction"
    return "contains an unbalanced mark of writing direction" if open_marks else None
