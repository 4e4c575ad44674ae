"""What notify says of its own accord stays as it was when it was first sent: examples are added, never edited."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.notify.delivery.disabled_notices import disabled_notice
from shared.model.events import AnnouncedEvent
from tests.notify.factories import Service, a_subscription
from tests.receiver import a_receiver
from tests.waiting import eventually

GOLDEN = Path(__file__).parents[2] / "golden" / "events"


def golden(name: str) -> Any:  # Any: JSON
    return json.loads((GOLDEN / f"notify.{name}.json").read_text(encoding="utf-8"))


def test_the_notice_of_a_disabled_endpoint_is_what_it_always_was() -> None:
    one = a_subscription(
        "sub4exampleexample",
        url="https://example.org/hook",
        description="The archive",
        contact="archive@example.org",
        owner="archive",
        state="disabled",
        state_since=datetime(2026, 5, 22, 10, 47, tzinfo=UTC),
        state_reason="the endpoint answered 410: it is gone",
    )

    assert json.loads(disabled_notice(one)[1]) == golden("endpoint.disabled.v1")


@pytest.mark.parametrize("name", ["item.revised.v1.moved", "feeds.changed.v1.moved"])
def test_what_is_told_of_an_item_that_left_is_what_it_always_was(name: str) -> None:
    fields = json.loads((GOLDEN / f"pages.{name}.json").read_text(encoding="utf-8"))

    told = AnnouncedEvent.from_fields(fields).body_as("item.left.v1", "section")

    assert json.loads(told) == golden("item.left.v1")


async def test_a_ping_has_the_fields_that_it_always_had(service: Service) -> None:
    async with a_receiver() as receiver:
        await service.subscribe(receiver.url, ping=True)
        await eventually(lambda: len(receiver.requests) == 1)

    assert shape(json.loads(receiver.requests[0].body)) == shape(golden("ping.v1"))


def shape(value: Any) -> Any:  # Any: JSON
    """Return which fields there are, and of what kind."""
    return {name: shape(one) for name, one in value.items()} if isinstance(value, dict) else type(value)


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("notify.*.json")), ids=lambda file: file.stem)
def test_a_file_is_named_after_its_type(file: Path) -> None:
    assert f"notify.{json.loads(file.read_text(encoding='utf-8'))['type']}" == file.stem
