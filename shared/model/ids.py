"""Every id, and how it is made."""

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
    """Return the item's id, a hash of its identity: needs no table, so two writers cannot race for one."""
    digest = hashlib.sha256(f"{source}\0{external_id}".encode()).digest()[:_ITEM_ID_BYTES]
    return ItemId(base64.b32encode(digest).decode().lower())


def event_id(item: ItemId, revision: int, epoch: int = 0) -> EventId:
    """
    Return the id of the one event that a revision makes.

    A store that was put back gives out its revisions' numbers again, so a later epoch is part of the id.
    """
    return EventId(f"{item}-e{epoch}r{revision}" if epoch else f"{item}-{revision}")


def delivery_id(event: EventId, subscription: SubscriptionId) -> DeliveryId:
    """Return the `webhook-id` of the event for the subscription, the same in every attempt and replay."""
    return DeliveryId(f"{event}-{subscription}")


def new_subscription_id() -> SubscriptionId:
    """Return an id that nobody can guess."""
    return SubscriptionId("sub" + base64.b32encode(secrets.token_bytes(10)).decode().lower())


def new_trace_id() -> str:
    """Return a W3C trace id: 32 lower-case hexadecimal digits (Trace Context, section 3.2.2.3)."""
    return secrets.token_hex(16)
