"""The events, as they were ever sent: every golden example can still be read, and says what it said."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from shared.model.events import PUBLIC_TYPES, AnnouncedEvent, ItemEvent, LeftBlock, webhook_body

GOLDEN = Path(__file__).parents[2] / "golden" / "events"
ITEM_EVENTS = sorted(GOLDEN.glob("items.*.json"))
ANNOUNCED = sorted(GOLDEN.glob("pages.*.json"))


def fields_of(file: Path) -> dict[str, str]:
    fields: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return fields


def test_there_is_an_example_of_every_type() -> None:
    types = {fields_of(file)["type"] for file in ANNOUNCED}

    assert types == {*PUBLIC_TYPES, "feeds.changed.v1"}


@pytest.mark.parametrize("file", ITEM_EVENTS, ids=lambda file: file.stem)
def test_every_event_of_an_item_ever_sent_can_be_read(file: Path) -> None:
    fields = fields_of(file)

    event = ItemEvent.from_fields(fields)

    assert (event.id, event.type, event.item_id) == (fields["id"], fields["type"], fields["item_id"])
    assert [event.revision, event.before, event.previous] == [
        int(fields[name]) for name in ("revision", "before", "previous")
    ]
    assert [block.model_dump() for block in event.left] == json.loads(fields["left"])


@pytest.mark.parametrize("file", ANNOUNCED, ids=lambda file: file.stem)
def test_every_announcement_ever_sent_can_be_read_and_written_the_same(file: Path) -> None:
    fields = fields_of(file)

    assert AnnouncedEvent.from_fields(fields).to_fields() == fields


@pytest.mark.parametrize("file", ITEM_EVENTS, ids=lambda file: file.stem)
def test_a_field_that_comes_later_is_ignored(file: Path) -> None:
    fields = fields_of(file)

    assert ItemEvent.from_fields({**fields, "mood": "glad"}) == ItemEvent.from_fields(fields)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"revision": "three"}, id="no number"),
        pytest.param({"type": "item.published.v9"}, id="unknown type"),
        pytest.param({"left": "[{"}, id="no JSON"),
        pytest.param({"occurred_at": "soon"}, id="no moment"),
    ],
)
def test_what_is_no_event_is_refused(change: dict[str, str]) -> None:
    fields = fields_of(ITEM_EVENTS[0])

    with pytest.raises(ValueError, match=f"(?s){next(iter(change))}|Expecting"):
        ItemEvent.from_fields({**fields, **change})


def test_an_event_that_lacks_something_is_refused() -> None:
    fields: dict[str, Any] = fields_of(ITEM_EVENTS[0])
    del fields["item_id"]

    with pytest.raises(ValidationError):
        ItemEvent.from_fields(fields)


def test_a_webhook_body_has_the_three_members_of_standard_webhooks() -> None:
    moment = datetime(2026, 5, 22, 10, 47, 0, 123456, UTC)

    body = webhook_body("item.published.v1", moment, {"title": "Порт"})

    assert body == '{"type": "item.published.v1", "timestamp": "2026-05-22T10:47:00.123Z", "data": {"title": "Порт"}}'


def test_a_block_that_an_item_left_says_which() -> None:
    block = LeftBlock(listing="en:home:", kind="archive", month="202605", number=7)

    assert ItemEvent.from_fields({**fields_of(ITEM_EVENTS[0]), "left": json.dumps([block.model_dump()])}).left == (
        block,
    )
