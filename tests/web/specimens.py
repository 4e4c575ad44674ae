"""Items that hold what the example newsroom is too well-behaved to hold, in each of its directions of writing."""

from typing import Any

_LONG_WORD = "Verkehrswegeplanungsbeschleunigungsgesetzesänderungsverordnung" * 2
_HTML = f"""
<h1>A heading of the first order</h1>
<p>A paragraph with <a href="/en/">a link</a>, <code>{_LONG_WORD.lower()}</code>, <em>stress</em>
and <strong>strength</strong>, an <abbr title="abbreviation">abbr.</abbr> and H<sub>2</sub>O.</p>
<h2>Of the second</h2><h5>Of the fifth</h5>
<ul><li>One<ol><li>Deeper</li></ol></li><li>Two</li></ul>
<blockquote><p>Said by somebody.</p></blockquote>
<pre>{"a line of code that is longer than a small window is wide; " * 3}</pre>
<table><caption>Ships</caption><thead><tr>{"".join(f"<th>Column {n}</th>" for n in range(12))}</tr></thead>
<tbody><tr>{"".join(f"<td>{n} 000 000</td>" for n in range(12))}</tr></tbody></table>
<table><tr><td>No head</td><td>at all</td></tr></table>
<p><img src="/media/ferry.svg" alt="A ferry"><a href="https://example.org/{_LONG_WORD}">https://example.org/{_LONG_WORD}</a></p>
<hr><p lang="ar" dir="rtl">سطر بلغة أخرى</p><font color="red">old</font><a href="/en/"></a><p></p>
"""


def _specimen(lang: str, **changes: Any) -> dict[str, Any]:  # Any: whatever an item's JSON may hold
    return {
        "lang": lang,
        "section": "documents/orders",
        "title": f"{_LONG_WORD} </script> & <b>",
        "summary": f"In short. {_LONG_WORD}",
        "body": _HTML,
        "body_format": "html",
        "tags": ["sea", "a-tag-without-a-name-in-the-site-file"],
        "translation_set": "specimen",
        "authors": ["Press Service", _LONG_WORD],
        "place": "Porto",
        "images": [
            {"url": "/media/ferry.svg", "alt": "A ferry", "caption": _LONG_WORD, "credit": "Anna"},
            {"url": "/media/bridge.svg", "alt": "", "width": 1600, "height": 900},
        ],
        "attachments": [
            {"url": "/media/order-214.pdf", "title": _LONG_WORD, "media_type": "application/pdf", "size_bytes": 1},
        ],
        "document": {"number": _LONG_WORD, "signed_on": "2025-05-22", "signed_by": _LONG_WORD},
        "change_note": "Corrected a name.",
        **changes,
    }


def _gone(lang: str) -> dict[str, Any]:  # Any: see above
    return {"lang": lang, "section": "news", "title": "A page that goes", "body": "Soon gone.", "slug": "goes"}


SPECIMENS = {
    **{lang: _specimen(lang) for lang in ("en", "ru", "ar")},
    **{f"gone-{lang}": _gone(lang) for lang in ("en", "ar")},
    "notice": _specimen("en", translation_set=None, title="A page that stands under a notice"),
    # A letter in a language that has no other items leaves no translations and no tags to list.
    "bare": {"lang": "ru", "section": "speeches", "title": "1", "body": "."},
}
WITHDRAWN = {
    **{f"gone-{lang}": {"mode": "gone"} for lang in ("en", "ar")},
    "notice": {"mode": "notice", "notice": "It was repealed."},
}
