"""The rules of fan-out."""

from hypothesis import given
from hypothesis import strategies as st

from services.notify.delivery.fan_out import plan
from services.notify.model.delivery import Delivery, subscription_of
from services.notify.model.filter import Candidate, CompiledFilter, Listener, candidate
from services.notify.model.log_position import Cursor
from services.notify.model.subscription import Filter
from shared.model.events import LoggedEvent
from shared.model.ids import LogId, SubscriptionId
from shared.model.stream_id import StreamId
from tests.notify.factories import an_event


def test_an_entry_that_was_there_first_is_not_for_a_later_subscription() -> None:
    step = plan(entries(3), [a_listener("a", since="2-0")], Cursor(), 10, now_ms=0)

    assert [one.log_id for one in step.deliveries] == ["3-0"]
    assert step.cursor == Cursor(LogId("3-0"))


def test_a_step_may_end_in_the_middle_of_an_event_and_the_next_one_goes_on_there() -> None:
    listeners = [a_listener(name) for name in "abc"]

    first = plan(entries(2), listeners, Cursor(), 4, now_ms=0)
    second = plan(entries(2)[1:], listeners, first.cursor, 4, now_ms=0)

    assert first.cursor == Cursor(LogId("1-0"), LogId("2-0"), SubscriptionId("a"))
    assert [(one.log_id, subscription_of(one.id)) for one in second.deliveries] == [("2-0", "b"), ("2-0", "c")]
    assert second.cursor == Cursor(LogId("2-0"))


@given(count=st.integers(0, 6), names=st.sets(st.sampled_from("abcdef")), limit=st.integers(1, 7))
def test_steps_of_any_size_plan_the_same_deliveries(count: int, names: set[str], limit: int) -> None:
    listeners = [a_listener(name) for name in sorted(names)]
    whole = plan(entries(count), listeners, Cursor(), 1000, now_ms=0)
    cursor = Cursor()
    stepped: list[Delivery] = []

    while rest := [one for one in entries(count) if one.position > StreamId.parse(cursor.passed)]:
        step = plan(rest, listeners, cursor, limit, now_ms=0)
        stepped += step.deliveries
        cursor = step.cursor

    assert [one.id for one in stepped] == [one.id for one in whole.deliveries]
    assert cursor == whole.cursor


def a_listener(name: str, since: str = "0-0") -> Listener:
    return Listener(SubscriptionId(name), CompiledFilter(Filter()), StreamId.parse(since))


def entries(count: int) -> list[Candidate]:
    return [candidate(LoggedEvent(LogId(f"{n}-0"), an_event(f"e{n}"))) for n in range(1, count + 1)]
