"""Who takes which slot."""

import pytest

from services.notify.delivery.concurrency import (
    AT_FIRST,
    MOST,
    PREFETCH,
    PROVEN,
    QUICK,
    TRUSTED,
    AttemptSlots,
    RunningAttempt,
)
from services.notify.model.delivery import Lease
from shared.model.ids import SubscriptionId

ENDPOINT = SubscriptionId("one")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def begun(slots: AttemptSlots, clock: Clock, endpoint: str = "one") -> RunningAttempt[Lease]:
    attempt = RunningAttempt(Lease(SubscriptionId(endpoint), "t", 0, 0), clock.now)
    slots.begin(attempt)
    return attempt


def test_an_attempt_of_a_second_frees_its_quick_slot(clock: Clock) -> None:
    slots = AttemptSlots(clock, quick=2, slow=2)
    begun(slots, clock)

    clock.now = 0.99
    slots.move_slow()
    before = (slots.free_quick, slots.free_slow)
    clock.now = 1.0
    slots.move_slow()

    assert before == (1, 2)
    assert (slots.free_quick, slots.free_slow) == (2, 1)
    assert slots.is_slow(ENDPOINT)


def test_while_all_quick_slots_are_taken_a_tenth_of_a_second_is_enough(clock: Clock) -> None:
    slots = AttemptSlots(clock, quick=2, slow=9)
    begun(slots, clock)
    begun(slots, clock, "two")

    clock.now = 0.1
    slots.move_slow()

    assert slots.free_quick == 1
    assert not slots.is_slow(ENDPOINT)


def test_without_a_free_slow_slot_nothing_moves(clock: Clock) -> None:
    slots = AttemptSlots(clock, quick=3, slow=1)
    begun(slots, clock)
    begun(slots, clock, "two")

    clock.now = 5.0
    slots.move_slow()

    assert (slots.free_quick, slots.free_slow) == (2, 0)


def test_an_endpoint_that_was_slow_starts_slow_until_it_is_quick_again(clock: Clock) -> None:
    slots = AttemptSlots(clock, quick=1, slow=1)
    first = begun(slots, clock)
    clock.now = 2.0
    slots.end(first, is_good=True)

    second = begun(slots, clock)
    started = (slots.free_quick, slots.free_slow)
    slots.end(second, is_good=True)

    assert started == (1, 0)
    assert not slots.is_slow(ENDPOINT)


def test_an_endpoint_earns_more_at_a_time_and_loses_it_with_one_failure(clock: Clock) -> None:
    slots = AttemptSlots(clock)
    seen = [slots.at_once(ENDPOINT)]

    for _ in range(32):
        slots.end(begun(slots, clock), is_good=True)
        seen.append(slots.at_once(ENDPOINT))
    slots.end(begun(slots, clock), is_good=False)

    assert seen == [AT_FIRST, *[PROVEN] * 31, TRUSTED]
    assert slots.at_once(ENDPOINT) == AT_FIRST


def trusting(clock: Clock) -> AttemptSlots:
    """Return slots in which the endpoint has answered well so often that it is trusted in full."""
    slots = AttemptSlots(clock)
    for _ in range(256):
        slots.end(begun(slots, clock), is_good=True)
    return slots


def test_with_full_trust_an_endpoint_leaves_others_a_slot_and_may_have_some_prefetched(clock: Clock) -> None:
    slots = trusting(clock)

    running = 0
    while slots.may_begin(ENDPOINT):
        begun(slots, clock)
        running += 1

    assert running == slots.at_once(ENDPOINT) == MOST < QUICK
    assert slots.to_lease(ENDPOINT) == MOST + PREFETCH
    assert slots.may_begin(SubscriptionId("two"))


def test_for_an_endpoint_without_full_trust_nothing_is_prefetched(clock: Clock) -> None:
    slots = AttemptSlots(clock)
    for _ in range(32):
        slots.end(begun(slots, clock), is_good=True)

    assert slots.to_lease(ENDPOINT) == slots.at_once(ENDPOINT) == TRUSTED


def test_an_attempt_that_ends_makes_room_for_the_next(clock: Clock) -> None:
    slots = AttemptSlots(clock)
    first = begun(slots, clock)
    was_free = slots.may_begin(ENDPOINT)

    slots.end(first, is_good=False)

    assert (was_free, slots.may_begin(ENDPOINT)) == (False, True)


def test_a_wait_for_a_slot_makes_no_attempt_slow(clock: Clock) -> None:
    slots = AttemptSlots(clock)
    waited = RunningAttempt(Lease(ENDPOINT, "t", 0, 0), clock.now)

    clock.now = 3.0
    slots.begin(waited)
    slots.end(waited, is_good=True)

    assert not slots.is_slow(ENDPOINT)
