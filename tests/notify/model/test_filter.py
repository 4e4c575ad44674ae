"""What subscriptions filter by."""

import json
from collections.abc import Mapping

import pytest

from services.notify.model.filter import CompiledFilter, Facts, Hearing, Listener, candidate, hearing
from services.notify.model.subscription import Filter
from shared.model.events import FEEDS_CHANGED, ITEM_LEFT, AnnouncedEvent, LoggedEvent
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

    assert listener.hears(candidate(LoggedEvent(LogId("5-0"), event))) is None


def moved(event_type: str, was: Mapping[str, object], now: Mapping[str, object]) -> LoggedEvent:
    """Return an event at 9-0 of an item whose event before was announced at 5-0."""
    facts: dict[str, object] = {"lang": "en", "section": "news", "tags": []}
    item = {"source": "press", **facts, **now}
    body = json.dumps({"type": event_type, "data": {"event_id": "i-2", "item": item}})
    before = json.dumps({**facts, **was, "log_id": "5-0"}) if was else ""
    is_minor = event_type == FEEDS_CHANGED
    event = AnnouncedEvent(
        *(EventId("i-2"), event_type, "2025-01-01", "0" * 32, "" if is_minor else body, ()),
        was=before,
        moved_body=body if is_minor else "",
    )
    return LoggedEvent(LogId("9-0"), event)


IN, OUT, ABOVE = {"section": "documents/orders"}, {"section": "news"}, {"section": "documents"}
DOCUMENTS = Filter(sections=("documents",))
REVISED, PUBLISHED, WITHDRAWN = "item.revised.v1", "item.published.v1", "item.withdrawn.v1"


@pytest.mark.parametrize(
    ("wanted", "event", "since", "heard"),
    [
        pytest.param(DOCUMENTS, moved(REVISED, IN, OUT), 1, Hearing(ITEM_LEFT, "section"), id="it left the section"),
        pytest.param(DOCUMENTS, moved(FEEDS_CHANGED, IN, OUT), 1, Hearing(ITEM_LEFT, "section"), id="by a minor one"),
        pytest.param(DOCUMENTS, moved(WITHDRAWN, IN, OUT), 1, Hearing(ITEM_LEFT, "section"), id="withdrawn elsewhere"),
        pytest.param(DOCUMENTS, moved(REVISED, IN, OUT), 5, None, id="nobody told it of the item"),
        pytest.param(DOCUMENTS, moved(REVISED, OUT, IN), 1, Hearing(PUBLISHED), id="it came in"),
        pytest.param(DOCUMENTS, moved(FEEDS_CHANGED, OUT, IN), 1, Hearing(PUBLISHED), id="it came in by a minor one"),
        pytest.param(DOCUMENTS, moved(WITHDRAWN, OUT, IN), 1, Hearing(WITHDRAWN), id="withdrawn as it came in"),
        pytest.param(DOCUMENTS, moved(REVISED, IN, ABOVE), 1, Hearing(REVISED), id="it moved within"),
        pytest.param(DOCUMENTS, moved(FEEDS_CHANGED, IN, ABOVE), 1, None, id="within, by a minor one"),
        pytest.param(DOCUMENTS, moved(REVISED, OUT, {"section": "other"}), 1, None, id="it moved elsewhere"),
        pytest.param(DOCUMENTS, moved(REVISED, {}, IN), 1, Hearing(REVISED), id="nothing is known of before"),
        pytest.param(
            Filter(tags=("sea",)),
            moved(REVISED, {"tags": ["sea", "quay"]}, {"tags": ["quay"]}),
            1,
            Hearing(ITEM_LEFT, "tags"),
            id="it lost the tag",
        ),
        pytest.param(
            Filter(langs=("en",)), moved(REVISED, {}, {"lang": "ru"}), 1, None, id="a first event in another language"
        ),
        pytest.param(
            Filter(langs=("ru",), tags=("sea",)),
            moved(REVISED, {"lang": "ru", "tags": ["sea"]}, {"lang": "en"}),
            1,
            Hearing(ITEM_LEFT, "lang"),
            id="it changed its language",
        ),
        pytest.param(
            Filter(sections=("documents",), types=(REVISED,)), moved(REVISED, IN, OUT), 1, None, id="not asked for"
        ),
        pytest.param(
            Filter(sections=("documents",), types=(ITEM_LEFT,)),
            moved(REVISED, IN, OUT),
            1,
            Hearing(ITEM_LEFT, "section"),
            id="asked for by name",
        ),
    ],
)
def test_whoever_heard_of_an_item_hears_that_it_left(
    wanted: Filter, event: LoggedEvent, since: int, heard: Hearing | None
) -> None:
    assert hearing(CompiledFilter(wanted), candidate(event), StreamId(since)) == heard


def test_a_body_says_by_what_the_item_left_and_nothing_else_is_changed() -> None:
    event = moved(REVISED, IN, OUT).event

    told, untouched = json.loads(event.body_as(ITEM_LEFT, "section")), json.loads(event.body)

    assert event.body_as(REVISED) == event.body
    assert told == {**untouched, "type": ITEM_LEFT, "data": {**untouched["data"], "left": "section"}}
