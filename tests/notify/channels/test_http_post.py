"""What an endpoint's answer means."""

from datetime import UTC, datetime, timedelta

import pytest

from services.notify.channels.http_post import outcome_of, parse_retry_after
from services.notify.model.delivery import GiveUp, Success, TryAgain

NOW = datetime(2025, 5, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_two_hundreds_are_success(status: int) -> None:
    assert outcome_of(status) == Success(status)


@pytest.mark.parametrize(
    "status", [100, 199, 300, 301, 302, 304, 307, 308, 400, 401, 404, 429, 500, 502, 503, 504, 599]
)
def test_everything_else_is_tried_again(status: int) -> None:
    assert isinstance(outcome_of(status), TryAgain)


def test_410_gives_up_and_disables() -> None:
    outcome = outcome_of(410)

    assert isinstance(outcome, GiveUp)
    assert outcome.disables


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
