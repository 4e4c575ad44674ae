"""When a failed attempt is repeated."""

from datetime import timedelta
from random import Random

import pytest

from services.notify.delivery.retry_schedule import next_delay
from services.notify.model.delivery import TryAgain

SCHEDULE = (timedelta(seconds=5), timedelta(minutes=5))
FAILED = TryAgain("status", "500", 500)


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
