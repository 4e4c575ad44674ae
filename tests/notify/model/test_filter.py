"""What subscriptions filter by."""

import pytest

from services.notify.model.filter import CompiledFilter, Facts, Listener, candidate
from services.notify.model.subscription import Filter
from shared.model.events import FEEDS_CHANGED, AnnouncedEvent, LoggedEvent
from shared.model.ids import EventId, LogId, SubscriptionId
from shared.model.stream_id import StreamId

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
    listener = Listener(SubscriptionId("a"), CompiledFilter(Filter()), since=StreamId(0))

    assert not listener.wants(candidate(LoggedEvent(LogId("5-0"), event)))
