"""What may stand in a text: no control characters, and no marks that make it read as another."""

import pytest

from shared.text.characters import line_problem, text_problem


@pytest.mark.parametrize(
    ("text", "is_good"),
    [
        pytest.param("Plain text, of any script: Порт, \u0645\u064a\u0646\u0627\u0621, \u6e2f", True, id="scripts"),
        pytest.param("\U0001f468\u200d\U0001f469\u200d\U0001f467 family", True, id="joined emoji"),
        pytest.param("\u200fmark\u200e and \u061cmark", True, id="marks that turn nothing round"),
        pytest.param("a \u2067\u0645\u064a\u0646\u0627\u0621\u2069 b", True, id="balanced isolate"),
        pytest.param("a \u202b\u0645\u202c b", True, id="balanced embedding"),
        pytest.param("a \u2067b \u202ac\u202c d\u2069", True, id="nested"),
        pytest.param("a \u2067b \u202ac\u2069 d\u202c", False, id="crossed"),
        pytest.param("a \u2067b", False, id="never closed"),
        pytest.param("a \u2069b", False, id="never opened"),
        pytest.param("a \u202egpj.exe\u202c", False, id="override, though balanced"),
        pytest.param("a \u202dabc\u202c", False, id="left-to-right override"),
        pytest.param("nul \x00", False, id="NUL"),
        pytest.param("escape \x1b[0m", False, id="escape"),
        pytest.param("delete \x7f", False, id="DEL"),
        pytest.param("no character \uffff", False, id="noncharacter"),
    ],
)
def test_a_text_may_hold_every_script_and_nothing_that_disguises_it(text: str, *, is_good: bool) -> None:
    assert (text_problem(text) is None) == is_good
    assert (line_problem(text) is None) == is_good


@pytest.mark.parametrize("line_break", ["\n", "\r", "\t", "\u2028", "\u2029", "\x85"])
def test_a_line_is_one_line(line_break: str) -> None:
    assert line_problem(f"a{line_break}b") == "must be one line"
    assert text_problem("a\nb") is None
