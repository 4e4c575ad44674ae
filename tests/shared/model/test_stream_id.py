"""Ids of stream entries: their order, their moment, and what comes before them."""

from datetime import UTC, datetime

import pytest

from shared.model.stream_id import StreamId


@pytest.mark.parametrize(("earlier", "later"), [("9-9", "9-10"), ("9-99", "10-0"), ("0-0", "0-1"), ("9", "9-1")])
def test_ids_are_ordered_as_their_stream_is(earlier: str, later: str) -> None:
    assert StreamId.parse(earlier) < StreamId.parse(later)


def test_an_id_is_spelled_as_the_store_spells_it() -> None:
    assert str(StreamId.parse("1700000000000-7")) == "1700000000000-7"
    assert StreamId.parse("1700000000000-7").at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "previous"),
    [("9-10", "9-9"), ("9-0", f"8-{2**64 - 1}"), ("0-1", "0-0"), ("0-0", "0-0"), ("-5", "0-0")],
)
def test_the_id_before_an_id(text: str, previous: str) -> None:
    one = StreamId(-5) if text == "-5" else StreamId.parse(text)

    assert str(one.previous) == previous


@pytest.mark.parametrize("text", ["", "x", "1-x", "+"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        StreamId.parse(text)
