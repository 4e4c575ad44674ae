"""When a failed attempt is repeated, and when a delivery is given up."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from random import Random

from services.notify.model.delivery import Delivered, GiveUp, Outcome, TryAgain

LONGEST_RETRY_AFTER = timedelta(days=1)
_JITTER = 0.2


def outcome_of(status: int, retry_after: timedelta | None = None) -> Outcome:
    """
    Return what an answer with this status means.

    Only 2xx is success: a redirect is not followed, so it is a failure. 410 means never again.
    """
    if 200 <= status < 300:
        return Delivered(status)
    if status == HTTPStatus.GONE:
        return GiveUp("status", "the endpoint answered 410: it is gone", status, disables=True)
    return TryAgain("status", f"the endpoint answered {status}", status, retry_after)


def next_delay(
    failed_attempts: int, outcome: TryAgain, schedule: Sequence[timedelta], random: Random
) -> timedelta | None:
    """
    Return how long to wait after so many failed attempts, or None to give up.

    A receiver's Retry-After is a lower bound, up to a day.
    """
    if failed_attempts > len(schedule):
        return None
    delay = schedule[failed_attempts - 1] * random.uniform(1 - _JITTER, 1 + _JITTER)
    if outcome.retry_after is not None:
        delay = max(delay, min(outcome.retry_after, LONGEST_RETRY_AFTER))
    return delay


def parse_retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Return the wait that a Retry-After header asks for, in seconds or as a date; None if it says nothing usable."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        # More digits than a day needs would overflow a timedelta.
        return min(timedelta(seconds=int(value[:9])), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(moment - now, timedelta(0))
