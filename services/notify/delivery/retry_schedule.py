"""When a failed attempt is repeated, and when a delivery is given up."""

from collections.abc import Sequence
from datetime import timedelta
from random import Random

from services.notify.model.delivery import LONGEST_RETRY_AFTER, TryAgain

_JITTER = 0.2


def next_delay(
    failed_attempts: int, outcome: TryAgain, schedule: Sequence[timedelta], random: Random
) -> timedelta | None:
    """
    Return how long to wait after failed attempt number `failed_attempts`, or None to give up.

    A receiver's Retry-After is a lower bound, up to a day.
    """
    if failed_attempts > len(schedule):
        return None
    delay = schedule[failed_attempts - 1] * random.uniform(1 - _JITTER, 1 + _JITTER)
    if outcome.retry_after is not None:
        delay = max(delay, min(outcome.retry_after, LONGEST_RETRY_AFTER))
    return delay
