"""Bodies become HTML that is whole and fit to stand below an h1, and plain text and excerpts."""

import pytest

from shared.text.markup import (
    absolute_urls,
    body_html,
    excerpt,
    is_image_url,
    is_link_url,
    printable,
    scrollable,
    text_of,
)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param("One\n\nTwo", "<p>One</p>\n<p>Two</p>", id="a blank line begins a paragraph"),
        pytest.param("One\n \t\n\n\nTwo", "<p>One</p>\n<p>Two</p>", id="several blank lines are one"),
        pytest.param("One\r\n\r\nTwo", "<p>One</p>\n<p>Two</p>", id="as Windows writes lines"),
        pytest.param("One  \nTwo", "<p>One<br>\nTwo</p>", id="a newline is a line break"),
        pytest.param("1 < 2 & 3", "<p>1 &lt; 2 &amp; 3</p>", id="marks are text"),
        pytest.param("\n\nOne\n\n", "<p>One</p>", id="blank ends are nothing"),
        pytest.param("", "", id="empty"),
    ],
)
def test_text_becomes_paragraphs(body: str, expected: str) -> None:
    assert body_html(body, "text") == expected


def test_markdown_has_tables_links_and_strikethrough_but_no_html() -> None:
    html = body_html("| a |\n|---|\n| **b** |\n\n~~old~~ [new](https://e.org/) <b>raw</b>", "markdown")

    assert "<td><strong>b</strong></td>" in html
    assert '<s>old</s> <a href="https://e.org/" rel="noopener">new</a> &lt;b&gt;raw&lt;/b&gt;' in html


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param("<h1>A</h1><h2>B</h2>", "<h2>A</h2><h3>B</h3>", id="h1 becomes h2"),
        pytest.param("<h3>A</h3><h4>B</h4>", "<h2>A</h2><h3>B</h3>", id="the topmost becomes h2"),
        pytest.param("<h2>A</h2><h5>B</h5>", "<h2>A</h2><h3>B</h3>", id="no level is skipped"),
        pytest.param("<h2> <br></h2><p>A</p>", "<p>A</p>", id="an empty heading goes"),
        pytest.param(
            "".join(f"<h{n}>x</h{n}>" for n in range(1, 7)),
            "<h2>x</h2><h3>x</h3><h4>x</h4><h5>x</h5><h6>x</h6><h6>x</h6>",
            id="six levels share five",
        ),
    ],
)
def test_headings_stand_below_the_page_title(body: str, expected: str) -> None:
    assert body_html(body, "html") == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param('<img src="/a.png">', '<img alt="" src="/a.png" loading="lazy">', id="none is decoration"),
        pytest.param('<img src="/a.png" alt="A">', '<img src="/a.png" alt="A" loading="lazy">', id="alt is kept"),
        pytest.param('<img alt="A">', "", id="one without source goes"),
        pytest.param('<img src="/a" width="9em">', '<img alt="" src="/a" loading="lazy">', id="sizes are numbers"),
    ],
)
def test_images_are_whole(body: str, expected: str) -> None:
    assert body_html(body, "html") == expected


def test_an_empty_header_cell_heads_nothing() -> None:
    assert "<th>" not in body_html("| |\n|---|\n| x |", "markdown")


def test_links_and_images_become_absolute_for_feeds() -> None:
    html = body_html('<a href="/x/">a</a><a href="y#z">b</a><img src="../i.png"><a href="mailto:a@e.org">c</a>', "html")

    absolute = absolute_urls(html, "https://e.org/en/news/item/")

    assert 'href="https://e.org/x/"' in absolute
    assert 'href="https://e.org/en/news/item/y#z"' in absolute
    assert 'src="https://e.org/en/news/i.png"' in absolute
    assert 'href="mailto:a@e.org"' in absolute


def test_a_wide_table_scrolls_by_itself() -> None:
    html = scrollable(body_html("<table><tr><td>1</td></tr></table>", "html"))

    assert html.startswith('<div class="table" tabindex="0"><table>')
    assert html.endswith("</table></div>")


def test_long_lines_of_code_scroll_with_the_keyboard_too() -> None:
    assert scrollable(body_html("    code", "markdown")) == '<pre tabindex="0"><code>code\n</code></pre>\n'


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param('<p>A<a href="/x/"> <br></a></p>', "<p>A</p>", id="one without words goes"),
        pytest.param('<h2><a href="/x/"></a></h2>', "", id="and what held nothing else"),
        pytest.param(
            '<a href="/x/"><img src="/a" alt="A"></a>',
            '<a href="/x/" rel="noopener"><img src="/a" alt="A" loading="lazy"></a>',
            id="a picture has words",
        ),
    ],
)
def test_links_have_words(body: str, expected: str) -> None:
    assert body_html(body, "html") == expected


def test_text_has_a_line_for_each_block() -> None:
    markup = (
        "<h2>A &amp; B</h2><p>one<br>two</p><ul><li>x</li><li>y</li></ul><table><tr><td>1</td><td>2</td></tr></table>"
    )

    assert text_of(markup) == "A & B\none\ntwo\nx\ny\n1 2"


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        pytest.param("short", 10, "short", id="short stays"),
        pytest.param("exactly ten", 11, "exactly ten", id="just fits"),
        pytest.param("exactly eleven", 11, "exactly…", id="cut at a word"),
        pytest.param("one two, three", 10, "one two…", id="no comma before the ellipsis"),
        pytest.param("already cut...", 20, "already cut...", id="an ellipsis of its own is kept"),
        pytest.param("already… cut here", 12, "already…", id="no second ellipsis"),
        pytest.param("Руководствуясь пунктом статьи", 24, "Руководствуясь пунктом…", id="Cyrillic"),
        pytest.param("وبحثت الرئيسة، مع السفيرة", 16, "وبحثت الرئيسة…", id="Arabic"),
        pytest.param("国务院办公厅关于公布通知", 7, "国务院办公厅…", id="no spaces"),
        pytest.param("กกกกก้กกก", 6, "กกกก…", id="a mark stays with its letter"),
        pytest.param("xx👩‍👩‍👧yyyy", 5, "xx…", id="a joined emoji stays whole"),
        pytest.param("one\n\n two", 20, "one\ntwo", id="lines are kept, blank ones not"),
        pytest.param("one\xa0two three", 11, "one\xa0two…", id="no-break space is kept"),
    ],
)
def test_an_excerpt_is_cut_at_a_word(text: str, limit: int, expected: str) -> None:
    assert excerpt(text, limit) == expected
    assert len(excerpt(text, limit)) <= max(limit, len(expected))


@pytest.mark.parametrize(
    ("url", "linked", "shown"),
    [
        ("https://e.org/a.png", True, True),
        ("http://e.org/a.png", True, False),
        ("/media/a.png", True, True),
        ("//e.org/a.png", True, False),
        ("/\\e.org/a.png", False, False),
        ("java\nscript:alert(1)", False, False),
        ("javascript:alert(1)", False, False),
        ("data:image/png;base64,", False, False),
        ("https://[broken/", False, False),
        (" ", False, False),
    ],
)
def test_only_some_addresses_may_be_linked_or_shown(url: str, linked: bool, shown: bool) -> None:
    assert (is_link_url(url), is_image_url(url)) == (linked, shown)


def test_characters_that_neither_xml_nor_html_allows_are_dropped() -> None:
    assert printable("a\x00b\x08c\x0bd\x1fe\x7ff\ud800g\ufffeh\ti\nj🎺") == "abcdefgh\ti\nj🎺"
