"""The rules of fan-out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.delivery.fan_out import PlannedDelivery, plan
from services.notify.model.filter import Candidate, CompiledFilter, Facts, Listener, candidate
from services.notify.model.log_position import Cursor, position
from services.notify.model.subscription import Filter
from shared.model.events import FEEDS_CHANGED, AnnouncedEvent, LoggedEvent
from shared.model.ids import EventId, LogId, SubscriptionId
from tests.notify.factories import an_event

FACTS = Facts("item.published.v1", "en", "documents/orders", "press", frozenset({"water", "energy"}))


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        pytest.param(Filter(), True, id="an empty filter wants everything"),
        pytest.param(Filter(types=("item.published.v1",)), True, id="the type"),
        pytest.param(Filter(types=("item.revised.v1",)), False, id="another type"),
        pytest.param(Filter(types=("item.published",)), False, id="a type without its version"),
        pytest.param(Filter(langs=("en", "fr")), True, id="one of two languages"),
        pytest.param(Filter(langs=("fr",)), False, id="another language"),
        pytest.param(Filter(langs=("en-GB",)), False, id="a narrower language"),
        pytest.param(Filter(sections=("documents/orders",)), True, id="the section"),
        pytest.param(Filter(sections=("documents",)), True, id="the section above"),
        pytest.param(Filter(sections=("documents/orders/old",)), False, id="a section below"),
        pytest.param(Filter(sections=("doc",)), False, id="a section that begins alike"),
        pytest.param(Filter(sections=("documents/order",)), False, id="a neighbour that begins alike"),
        pytest.param(Filter(sections=("news", "documents")), True, id="one of two sections"),
        pytest.param(Filter(sources=("press",)), True, id="the source"),
        pytest.param(Filter(sources=("cms",)), False, id="another source"),
        pytest.param(Filter(tags=("water",)), True, id="one of its tags"),
        pytest.param(Filter(tags=("fire", "energy")), True, id="any of the tags"),
        pytest.param(Filter(tags=("fire",)), False, id="another tag"),
        pytest.param(Filter(langs=("en",), tags=("fire",)), False, id="every list must match"),
        pytest.param(Filter(langs=("en",), tags=("water",), sections=("documents",)), True, id="every list matches"),
    ],
)
def test_a_filter_matches_what_it_says(wanted: Filter, matches: bool) -> None:
    assert CompiledFilter(wanted).matches(FACTS) is matches


def test_a_section_does_not_match_a_longer_name_beside_it() -> None:
    beside = Facts("item.published.v1", "en", "documents-old", "press", frozenset())

    assert not CompiledFilter(Filter(sections=("documents",))).matches(beside)


def test_changed_feeds_are_for_no_webhook() -> None:
    event = AnnouncedEvent(EventId("f"), FEEDS_CHANGED, "2025-01-01", "0" * 32, "", ("/en/feed.rss",))

    assert not a_listener("a").wants(candidate(LoggedEvent(LogId("5-0"), event)))


def test_log_ids_compare_as_numbers() -> None:
    assert position(LogId("9-10")) > position(LogId("9-9"))
    assert position(LogId("10-0")) > position(LogId("9-99"))


def test_an_entry_that_was_there_first_is_not_for_a_later_subscription() -> None:
    step = plan(entries(3), [a_listener("a", since="2-0")], Cursor(), 10)

    assert [one.log_id for one in step.deliveries] == ["3-0"]
    assert step.cursor == Cursor(LogId("3-0"))


def test_a_step_may_end_in_the_middle_of_an_event_and_the_next_one_goes_on_there() -> None:
    listeners = [a_listener(name) for name in "abc"]

    first = plan(entries(2), listeners, Cursor(), 4)
    second = plan(entries(2)[1:], listeners, first.cursor, 4)

    assert first.cursor == Cursor(LogId("1-0"), LogId("2-0"), SubscriptionId("a"))
    assert [(one.log_id, one.subscription_id) for one in second.deliveries] == [("2-0", "b"), ("2-0", "c")]
    assert second.cursor == Cursor(LogId("2-0"))


@given(count=st.integers(0, 6), names=st.sets(st.sampled_from("abcdef")), limit=st.integers(1, 7))
def test_steps_of_any_size_plan_the_same_deliveries(count: int, names: set[str], limit: int) -> None:
    listeners = [a_listener(name) for name in sorted(names)]
    whole = plan(entries(count), listeners, Cursor(), 1000)
    cursor = Cursor()
    stepped: list[PlannedDelivery] = []

    while rest := [one for one in entries(count) if one.position > position(cursor.passed)]:
        step = plan(rest, listeners, cursor, limit)
        stepped += step.deliveries
        cursor = step.cursor

    assert [one.id for one in stepped] == [one.id for one in whole.deliveries]
    assert cursor == whole.cursor


@pytest.mark.parametrize(
    ("cursor", "place"),
    [
        pytest.param(Cursor(LogId("4-0")), "4-0", id="between events"),
        pytest.param(Cursor(LogId("4-0"), LogId("5-0"), SubscriptionId("c")), "5-0", id="it had the event already"),
        pytest.param(Cursor(LogId("4-0"), LogId("5-0"), SubscriptionId("b")), "5-0", id="it had it last"),
        pytest.param(Cursor(LogId("4-0"), LogId("5-0"), SubscriptionId("a")), "4-0", id="it was to have it next"),
    ],
)
def test_the_place_of_a_subscription_is_what_it_was_given_last(cursor: Cursor, place: str) -> None:
    assert cursor.place_of(SubscriptionId("b")) == place


def a_listener(name: str, since: str = "0-0") -> Listener:
    return Listener(SubscriptionId(name), CompiledFilter(Filter()), position(LogId(since)))


def entries(count: int) -> list[Candidate]:
    return [candidate(LoggedEvent(LogId(f"{n}-0"), an_event(f"e{n}"))) for n in range(1, count + 1)]
