"""Subscriptions: who is sent which events, and how."""

import zlib
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.model.events import ITEM_LEFT, PUBLIC_TYPES
from shared.model.ids import LogId, SubscriptionId

State = Literal["active", "paused", "disabled"]
DEFAULT_KIND = "webhook"
"""The channel of a subscription that names none."""
PING = "ping.v1"
ENDPOINT_DISABLED = "endpoint.disabled.v1"
"""Sent only to subscriptions whose filter names it; such a filter takes an admin's key."""
KNOWN_TYPES: tuple[str, ...] = (*PUBLIC_TYPES, ITEM_LEFT, PING, ENDPOINT_DISABLED)


class Filter(BaseModel):
    """Which events match. An empty list matches all; a section matches the sections below it; one tag is enough."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    types: tuple[str, ...] = ()
    langs: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


class SealedSecret(BaseModel):
    """A signing secret as the store keeps it; a secret that was rotated out signs until `expires_at`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sealed: str
    expires_at: datetime | None = None


class Subscription(BaseModel):
    """
    An endpoint, and the events that are sent to it.

    `active`: from its creation. Every event that matches is enqueued as soon as it is announced.
    `paused`: by its owner, or because the head of an ordered queue was given up. Nothing is sent and nothing is
    enqueued; `resume_from` keeps the place in the log. Resuming makes it active.
    `disabled`: because the endpoint answered 410 or failed everything for 5 days. Otherwise as `paused`.

    An active subscription with a `resume_from` is catching up: the events that it missed are enqueued from the log, in
    order, before it takes part in the live fan-out again. Deleting ends a subscription in any state, with its queue.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: SubscriptionId
    kind: str = DEFAULT_KIND
    """The word for its channel."""
    owner: str
    """The name of the API key that made it."""
    url: str
    filter: Filter = Filter()
    ordered: bool = False
    max_per_second: int | None = None
    sealed_headers: str | None = None
    header_names: tuple[str, ...] = ()
    sealed_target: Annotated[str | None, Field(exclude_if=lambda sealed: sealed is None)] = None
    """The rest of the channel's target; a webhook keeps `sealed_headers` instead."""
    description: str | None = None
    contact: str | None = None
    secrets: tuple[SealedSecret, ...]
    created_at: datetime
    since: LogId
    """The newest entry of the log at its creation: newer entries are for it."""
    state: State = "active"
    state_since: datetime
    state_reason: str | None = None
    resume_from: LogId | None = None
    notice_due: bool = False
    """Whether operators must still be told that it was disabled."""

    @property
    def is_live(self) -> bool:
        """Whether it takes part in the live fan-out."""
        return self.state == "active" and self.resume_from is None

    @property
    def is_catching_up(self) -> bool:
        return self.state == "active" and self.resume_from is not None


def shard_number(subscription: SubscriptionId, shards: int) -> int:
    """Return the shard that the subscription lives in."""
    return zlib.crc32(subscription.encode()) % shards
