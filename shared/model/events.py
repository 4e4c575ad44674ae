"""
The entries of the two streams.

`items` (ingest to render): an accepted revision became public. `pages` (render to notify): its pages can be read. The
stream `pages` is the public log. Consumers ignore unknown fields; tests/golden/events has an example of every version
that was ever sent.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic_core import from_json

from shared.model.clock import iso
from shared.model.ids import EventId, ItemId, LogId
from shared.model.items import UpdateType

ItemEventType = Literal["item.published.v1", "item.revised.v1", "item.withdrawn.v1"]
PUBLIC_TYPES: tuple[ItemEventType, ...] = ("item.published.v1", "item.revised.v1", "item.withdrawn.v1")
ITEM_LEFT = "item.left.v1"
"""What a subscription is told instead of the event that took an item out of its filter; it is in no log."""
LeftBy = Literal["lang", "section", "tags"]
FEEDS_CHANGED = "feeds.changed.v1"
"""An entry of `pages` that only names feeds, made by a minor revision. Webhooks and /v1/events skip it."""


class LeftBlock(BaseModel):
    """A numbered place in a month that an item gave up."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    listing: str
    kind: Literal["archive", "feed"]
    month: str
    number: int


class ItemEvent(BaseModel):
    """
    An entry of `items`: revision `revision` of the item is now what readers see.

    `before` is the revision that they saw until then, 0 for none: it tells which lists the item left. `previous` is the
    revision of the item's event before this one, 0 at first: it chains an item's events, so that they are announced in
    order whoever renders them. The names in the stream are the fields' names.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: EventId
    type: ItemEventType
    occurred_at: datetime
    trace_id: str
    item_id: ItemId
    revision: int
    before: int
    previous: int
    update_type: UpdateType = "major"
    left: tuple[LeftBlock, ...] = ()

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> "ItemEvent":
        """Return the event of an entry. Raises ValueError for fields of anything else."""
        return cls.model_validate({**fields, "left": json.loads(fields.get("left", "[]"))})


@dataclass(frozen=True)
class AnnouncedEvent:
    """
    An entry of `pages`: every page that the event changed can be read.

    `body` is the webhook's body, the same bytes for every subscriber, attempt and replay; empty for `feeds.changed.v1`.
    """

    id: EventId
    type: str
    occurred_at: str
    trace_id: str
    body: str
    feeds: tuple[str, ...]
    """The paths of the feeds that changed, also of feeds that the item left."""
    was: str = ""
    """
    The facts that the item's event before this one told, and that event's place in the log, as JSON.

    Empty where there was none, or it ended the item.
    """
    moved_body: str = ""
    """What `item.left.v1` is made of where `body` is empty: a minor revision changed language, section or tags."""

    def to_fields(self) -> dict[str, str]:
        return {
            "id": self.id,
            "type": self.type,
            "occurred_at": self.occurred_at,
            "trace_id": self.trace_id,
            "body": self.body,
            "feeds": json.dumps(self.feeds),
            **({"was": self.was} if self.was else {}),
            **({"moved_body": self.moved_body} if self.moved_body else {}),
        }

    def body_as(self, event_type: str, left: LeftBy | None = None) -> str:
        """Return what a subscription is told that hears of the event under this type: always the same."""
        if event_type == self.type:
            return self.body
        told = json.loads(self.body or self.moved_body)
        told["type"] = event_type
        if left is not None:
            told["data"]["left"] = left
        return json.dumps(told, ensure_ascii=False)

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> "AnnouncedEvent":
        return cls(
            id=EventId(fields["id"]),
            type=fields["type"],
            occurred_at=fields["occurred_at"],
            trace_id=fields["trace_id"],
            body=fields["body"],
            feeds=tuple(from_json(fields["feeds"])),
            was=fields.get("was", ""),
            moved_body=fields.get("moved_body", ""),
        )


@dataclass(frozen=True)
class LoggedEvent:
    """An announced event with its place in the log."""

    log_id: LogId
    event: AnnouncedEvent


def webhook_body(event_type: str, occurred_at: datetime, data: Mapping[str, object]) -> str:
    """Return a webhook's body in the form of Standard Webhooks: `type`, `timestamp`, `data`."""
    return json.dumps({"type": event_type, "timestamp": iso(occurred_at), "data": data}, ensure_ascii=False)
