"""The ids that Clarion hands out, and how each is made."""

import base64
import hashlib
import secrets
from typing import NewType

ItemId = NewType("ItemId", str)
EventId = NewType("EventId", str)
SubscriptionId = NewType("SubscriptionId", str)
DeliveryId = NewType("DeliveryId", str)
LogId = NewType("LogId", str)
"""The place of an event in the log: a stream id, `milliseconds-sequence`."""

_ITEM_ID_BYTES = 15  # 120 bits: no collision among 10^15 items worth fearing; 24 letters


def item_id(source: str, external_id: str) -> ItemId:
    """Return the id of the item, a function of its identity: no table to keep, none to race for."""
    digest = hashlib.sha256(f"{source}\0{external_id}".encode()).digest()[:_ITEM_ID_BYTES]
    return ItemId(base64.b32encode(digest).decode().lower())


def event_id(item: ItemId, revision: int) -> EventId:
    """Return the id of the one event that a revision makes."""
    return EventId(f"{item}-{revision}")


def delivery_id(event: EventId, subscription: SubscriptionId) -> DeliveryId:
    """Return the id under which this event reaches this subscription, in every attempt and replay: `webhook-id`."""
    return DeliveryId(f"{event}-{subscription}")


def new_subscription_id() -> SubscriptionId:
    """Return an unguessable id."""
    return SubscriptionId("sub" + base64.b32encode(secrets.token_bytes(10)).decode().lower())


def new_trace_id() -> str:
    """Return a W3C trace id: 32 lower-case hexadecimal digits (Trace Context, section 3.2.2.3)."""
    return secrets.token_hex(16)
