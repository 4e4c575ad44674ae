"""Item bodies into HTML that is safe to show, and HTML into plain text and excerpts."""

import html
import re
import unicodedata
from functools import lru_cache
from typing import assert_never
from urllib.parse import SplitResult, urlsplit

import nh3
from markdown_it import MarkdownIt

from shared.model.items import BodyFormat

_FLOW = {"p", "div", "blockquote", "pre", "hr", "figure", "figcaption", "details", "summary"}
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_LISTS = {"ul", "ol", "li", "dl", "dt", "dd"}
_TABLES = {"table", "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "th", "td"}
_PHRASES = {
    *("a", "img", "br", "wbr", "span", "b", "strong", "i", "em", "u", "s", "del", "ins", "small", "sub", "sup", "mark"),
    *("abbr", "cite", "q", "dfn", "time", "code", "kbd", "samp", "var", "bdi", "bdo", "ruby", "rt", "rp"),
}
# What these hold is not text for a reader: it goes with its tag.
_DROPPED_WITH_CONTENT = {
    *("script", "style", "template", "noscript", "iframe", "object", "embed", "applet", "noembed", "noframes"),
    *("svg", "math", "select", "textarea", "title", "xmp", "plaintext", "frameset", "audio", "video", "canvas"),
}
_ATTRIBUTES = {
    "*": {"lang", "dir"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "abbr": {"title"},
    "time": {"datetime"},
    "ol": {"start", "reversed"},
    "th": {"scope", "colspan", "rowspan"},
    "td": {"colspan", "rowspan"},
}
_NUMBER = re.compile(r"[0-9]{1,4}")
_MISREAD_IN_URL = re.compile(r"[\x00-\x1f\\]")
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")

# nh3 writes every tag in one way: lower case, values in double quotes. These rely on it.
_HEADING_TAG = re.compile(r"(</?h)([1-6])(?=[ >])")
_EMPTY_HEADING = re.compile(r"<h([1-6])[^>]*>(?:\s|&nbsp;|<br>)*</h\1>")
_EMPTY_LINK = re.compile(r'<a(?: [a-z-]+="[^"]*")*>(?:\s|&nbsp;|<br>)*</a>')
_EMPTY_HEADER_CELL = re.compile(r"<th>\s*</th>")
_IMAGE_TAG = re.compile(r'<img((?: [a-z-]+="[^"]*")*)>')
_BLOCK_END = re.compile(r"</(?:p|h[1-6]|li|dt|dd|tr|caption|blockquote|pre|div|figure|figcaption|summary)>|<[bh]r>")
_CELL_END = re.compile(r"</t[dh]>")

_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n)+")
_SPACES = re.compile(r"[ \t\r\f\v]+")
# Neither XML 1.0 (section 2.2) nor HTML allows these; NEL and its neighbours are control characters nobody types.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

# An item's page, card, feed entry and words for search are made one after the other, and each asks for the same body.
_BODIES_KEPT = 32

_ENDS_CUT = ("…", "...")
_NOT_BEFORE_ELLIPSIS = " \n,;:.-\u2013\u2014\u060c\u061b"  # the dashes, and Arabic's comma and semicolon
_ZERO_WIDTH_JOINER = "\u200d"


@lru_cache(maxsize=_BODIES_KEPT)
def body_html(body: str, body_format: BodyFormat) -> str:
    """
    Return the body as sanitised HTML, fit to stand below a page's h1.

    Text: a blank line begins a paragraph, a single newline is a line break. Markdown: CommonMark with tables and
    strikethrough, raw HTML shown as text. Headings are numbered anew so that the topmost is h2 and none is skipped.
    """
    return _accessible(_BODY.clean(_converted(printable(body), body_format)))


def absolute_urls(body: str, base_url: str) -> str:
    """Return sanitised HTML with every link and image resolved against `base_url`, as feeds need it."""
    return _accessible(_cleaner(base_url).clean(body))


def scrollable(body: str) -> str:
    """Return sanitised HTML where what is too wide scrolls by itself, with the keyboard too: tables and code."""
    body = body.replace("<table", '<div class="table" tabindex="0"><table').replace("</table>", "</table></div>")
    return body.replace("<pre", '<pre tabindex="0"')


@lru_cache(maxsize=_BODIES_KEPT)
def text_of(markup: str) -> str:
    """Return the text of HTML, a line for each block."""
    parted = _CELL_END.sub(r"\g<0> ", _BLOCK_END.sub(r"\g<0>" + "\n", markup))
    text = html.unescape(_TEXT_ONLY.clean(parted))
    return _tidy(text)


def excerpt(text: str, limit: int = 200) -> str:
    """Return the text, or at most `limit` characters of it up to the end of a word, with an ellipsis."""
    text = _tidy(text)
    if len(text) <= limit:
        return text
    cut = _cut_at_word(text, limit - 1).rstrip()
    if cut.endswith(_ENDS_CUT):
        return cut
    return cut.rstrip(_NOT_BEFORE_ELLIPSIS) + "…"


def is_image_url(url: str) -> bool:
    """Tell whether an image comes over https or from the site itself."""
    parts = _address(url)
    return parts is not None and (parts.scheme == "https" or not (parts.scheme or parts.netloc))


def is_link_url(url: str) -> bool:
    """Tell whether an address may be linked to: on the web or on the site itself."""
    parts = _address(url)
    return parts is not None and parts.scheme in {"http", "https", ""}


def printable(text: str) -> str:
    """Return the text without the characters that neither XML nor HTML allows."""
    return _UNPRINTABLE.sub("", text.replace("\r\n", "\n"))


def _converted(body: str, body_format: BodyFormat) -> str:
    match body_format:
        case "text":
            return "\n".join(f"<p>{_with_breaks(part)}</p>" for part in _BLANK_LINES.split(body) if part.strip())
        case "markdown":
            return str(_MARKDOWN.render(body))
        case "html":
            return body
        case _:
            assert_never(body_format)


def _with_breaks(paragraph: str) -> str:
    return "<br>\n".join(html.escape(line.strip(" \t\r")) for line in paragraph.strip().split("\n"))


def _accessible(body: str) -> str:
    """Return sanitised HTML without what assistive technology stumbles over."""
    body = _EMPTY_LINK.sub("", _IMAGE_TAG.sub(_whole_image, body))
    return _headings_below_h1(_EMPTY_HEADER_CELL.sub("<td></td>", body))


def _headings_below_h1(body: str) -> str:
    body = _EMPTY_HEADING.sub("", body)
    levels = sorted({match[2] for match in _HEADING_TAG.finditer(body)})
    new_level = {level: str(min(rank, 6)) for rank, level in enumerate(levels, start=2)}
    return _HEADING_TAG.sub(lambda match: match[1] + new_level[match[2]], body)


def _whole_image(match: re.Match[str]) -> str:
    attributes = match[1]
    if ' src="' not in attributes:
        return ""
    return match[0] if ' alt="' in attributes else f'<img alt=""{attributes}>'


def _tidy(text: str) -> str:
    """Return the text's lines without blank ones and with single spaces; a no-break space is kept."""
    lines = (_SPACES.sub(" ", line).strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def _cut_at_word(text: str, limit: int) -> str:
    """Return what fits of a text that is too long; a script without spaces is cut between two characters."""
    head = text[: limit + 1]
    end = max(head.rfind(space) for space in (" ", "\n", "\xa0"))
    if end > limit // 2:
        return head[:end]
    end = limit
    while end > 1 and _joins(text, end):
        end -= 1
    return text[:end]


def _joins(text: str, position: int) -> bool:
    """Tell whether a reader sees the characters on both sides of `position` as one."""
    after = text[position]
    return (
        unicodedata.category(after).startswith("M")
        or _ZERO_WIDTH_JOINER in text[position - 1 : position + 1]
        or "\U0001f3fb" <= after <= "\U0001f3ff"  # skin tones
        or "\U0001f1e6" <= after <= "\U0001f1ff"  # halves of flags
    )


def _allowed_value(_tag: str, attribute: str, value: str) -> str | None:
    match attribute:
        case "src":
            return value if is_image_url(value) else None
        case "width" | "height" | "colspan" | "rowspan" | "start":
            return value if _NUMBER.fullmatch(value) else None
        case "dir":
            return value if value in {"ltr", "rtl", "auto"} else None
        case "scope":
            return value if value in {"row", "col", "rowgroup", "colgroup"} else None
        case "lang":
            return value if _LANGUAGE_TAG.fullmatch(value) else None
        case _:
            return value


def _address(url: str) -> SplitResult | None:
    # A browser reads `\` as `/` and drops tabs and newlines, so that `/\host` leaves the site.
    if not url.strip() or _MISREAD_IN_URL.search(url):
        return None
    try:
        return urlsplit(url.strip())
    except ValueError:
        return None


def _cleaner(base_url: str | None = None) -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=_FLOW | _HEADINGS | _LISTS | _TABLES | _PHRASES,
        clean_content_tags=_DROPPED_WITH_CONTENT,
        attributes=_ATTRIBUTES,
        attribute_filter=_allowed_value,
        set_tag_attribute_values={"img": {"loading": "lazy"}},
        link_rel="noopener",
        url_schemes={"http", "https", "mailto"},
        url_relative=None if base_url is None else ("rewrite_with_base", base_url),
    )


_BODY = _cleaner()
_TEXT_ONLY = nh3.Cleaner(tags=set(), clean_content_tags=_DROPPED_WITH_CONTENT, attributes={})
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
