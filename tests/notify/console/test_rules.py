"""The console's rules: how it counts and speaks."""

from datetime import UTC, datetime

import pytest

from services.notify.console.overview import Bar, bars_of, shown_event
from services.notify.console.rates import Rates, Sample, rates_of
from services.notify.console.rendering import moment, number
from shared.model.clock import span
from shared.model.ids import LogId


def test_rates_are_the_differences_minute_by_minute() -> None:
    samples = [Sample(0, 100, 90), Sample(30, 110, 100), Sample(60, 110, 110), Sample(119, 150, 120)]

    # The last minute reaches from 59 s, whose newest sample is the one of 30 s, to 119 s.
    assert rates_of(samples) == Rates(accepted=(10, 40), announced=(10, 20))


def test_the_first_sample_alone_counts_nothing() -> None:
    assert rates_of([Sample(5, 1_000_000, 1_000_000)]) == Rates((0,), (0,))


def test_rates_of_more_than_a_quarter_of_an_hour_keep_to_its_end() -> None:
    samples = [Sample(60.0 * minute, minute, 0) for minute in range(40)]

    assert rates_of(samples).accepted == (1,) * 15


def test_a_store_that_was_emptied_gives_no_negative_rates() -> None:
    assert rates_of([Sample(0, 50, 50), Sample(10, 0, 0)]) == Rates((0,), (0,))


def test_bars_are_in_proportion_and_the_smallest_can_be_seen() -> None:
    assert bars_of([0, 1, 500, 1000], 40) == [Bar(0, 0), Bar(1, 2), Bar(500, 20), Bar(1000, 40)]
    assert bars_of([], 40) == []


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        *((0, "0 s"), (0.2, "under 1 s"), (1, "1 s"), (119.9, "119 s"), (120, "2 min"), (7199, "119 min")),
        *((7200, "2 h"), (172_799, "47 h"), (172_800, "2 d")),
    ],
)
def test_a_length_of_time_is_said_in_one_unit(seconds: float, said: str) -> None:
    assert span(seconds) == said


def test_a_moment_is_told_in_utc_to_people_and_machines() -> None:
    at = datetime(2026, 5, 22, 14, 47, tzinfo=UTC)

    told = moment(at)

    assert (
        told == '<time datetime="2026-05-22T14:47:00.000Z" title="2026-05-22T14:47:00.000Z">2026-05-22 14:47:00</time>'
    )
    assert moment("2026-05-22T18:47:00+04:00") == told
    assert moment(None) == "&mdash;"


def test_thousands_stand_apart() -> None:
    assert number(1234567) == "1\u202f234\u202f567"


@pytest.mark.parametrize("fields", [{}, {"id": "x"}, {"type": "feeds.changed.v1", "body": ""}])
def test_an_entry_of_the_log_that_is_no_event_of_an_item_is_passed_over(fields: dict[str, str]) -> None:
    whole = {"id": "e", "occurred_at": "", "trace_id": "", "feeds": "[]", **fields} if "type" in fields else fields

    assert shown_event(LogId("1-0"), whole) is None
