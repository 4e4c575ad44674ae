"""When a failed attempt is repeated."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from services.notify.channels.retry_policy import next_delay, outcome_of, parse_retry_after
from services.notify.model.delivery import Delivered, GiveUp, TryAgain

SCHEDULE = (timedelta(seconds=5), timedelta(minutes=5))
NOW = datetime(2025, 5, 22, 12, 0, tzinfo=UTC)
FAILED = TryAgain("status", "500", 500)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_two_hundreds_are_success(status: int) -> None:
    assert outcome_of(status) == Delivered(status)


@pytest.mark.parametrize(
    "status", [100, 199, 300, 301, 302, 304, 307, 308, 400, 401, 404, 429, 500, 502, 503, 504, 599]
)
def test_everything_else_is_tried_again(status: int) -> None:
    assert isinstance(outcome_of(status), TryAgain)


def test_410_gives_up_and_disables() -> None:
    outcome = outcome_of(410)

    assert isinstance(outcome, GiveUp)
    assert outcome.disables


@pytest.mark.parametrize(("failed", "base"), [(1, 5), (2, 300)])
def test_each_wait_is_the_schedules_give_or_take_a_fifth(failed: int, base: int) -> None:
    random = Random(7)

    waits = {next_delay(failed, FAILED, SCHEDULE, random) for _ in range(200)}

    seconds = [wait.total_seconds() for wait in waits if wait is not None]
    assert len(seconds) > 100
    assert base * 0.8 <= min(seconds) < base * 0.85
    assert base * 1.15 < max(seconds) <= base * 1.2


def test_an_exhausted_schedule_gives_up() -> None:
    assert next_delay(3, FAILED, SCHEDULE, Random(7)) is None
    assert next_delay(1, FAILED, (), Random(7)) is None


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        pytest.param(timedelta(seconds=1), 4, 6, id="a shorter one changes nothing"),
        pytest.param(timedelta(minutes=10), 600, 600, id="a longer one is honoured"),
        pytest.param(timedelta(days=3), 86400, 86400, id="up to a day"),
    ],
)
def test_retry_after_is_a_lower_bound(asked: timedelta, least: float, most: float) -> None:
    wait = next_delay(1, TryAgain("status", "503", 503, asked), SCHEDULE, Random(7))

    assert wait is not None
    assert least <= wait.total_seconds() <= most


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        pytest.param(None, None, id="missing"),
        pytest.param("120", timedelta(seconds=120), id="seconds"),
        pytest.param("0", timedelta(0), id="none"),
        pytest.param("99999999999999999999", timedelta(days=1), id="absurdly long"),
        pytest.param("Thu, 22 May 2025 12:01:00 GMT", timedelta(minutes=1), id="a date"),
        pytest.param("Thu, 22 May 2025 11:00:00 GMT", timedelta(0), id="a date that has passed"),
        pytest.param("-5", None, id="negative"),
        pytest.param("²", None, id="a digit that is none"),
        pytest.param("soon", None, id="words"),
        pytest.param("", None, id="empty"),
    ],
)
def test_retry_after_is_read_in_both_forms(value: str | None, wait: timedelta | None) -> None:
    assert parse_retry_after(value, NOW) == wait
