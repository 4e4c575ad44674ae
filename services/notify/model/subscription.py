"""Who wants to know, and of what."""

import zlib
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.model.events import PUBLIC_TYPES
from shared.model.ids import LogId, SubscriptionId

State = Literal["active", "paused", "disabled"]
DEFAULT_KIND = "webhook"
"""The channel of a subscription that names none."""
PING = "ping.v1"
ENDPOINT_DISABLED = "endpoint.disabled.v1"
"""Goes to those only whose filter names it, and such a filter takes an admin's key."""
KNOWN_TYPES: tuple[str, ...] = (*PUBLIC_TYPES, PING, ENDPOINT_DISABLED)


class Filter(BaseModel):
    """Which events are wanted. An empty list wants everything; a section wants what is below it, tags any of them."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    types: tuple[str, ...] = ()
    langs: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


class SealedSecret(BaseModel):
    """A signing secret as the store keeps it; one that was rotated out signs until `expires_at`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sealed: str
    expires_at: datetime | None = None


class Subscription(BaseModel):
    """
    An endpoint and what it wants to hear.

    `active`: from its creation. It hears every event that matches, as it is announced.
    `paused`: by its owner, or because the head of an ordered endpoint was given up. Nothing is sent and nothing is
    enqueued; `resume_from` keeps its place in the log. Resuming leads back to active.
    `disabled`: because the endpoint answered 410 or failed everything for days. As paused, and resumed likewise.

    An active subscription with a `resume_from` is catching up: what it missed is enqueued from the log, in order,
    before it takes part in the live fan-out again. Deleting ends any of them, with what was queued.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: SubscriptionId
    kind: str = DEFAULT_KIND
    """Its channel."""
    owner: str
    """The name of the API key that made it."""
    url: str
    filter: Filter = Filter()
    ordered: bool = False
    max_per_second: int | None = None
    sealed_headers: str | None = None
    header_names: tuple[str, ...] = ()
    sealed_target: Annotated[str | None, Field(exclude_if=lambda sealed: sealed is None)] = None
    """What the channel must know beside the address; a webhook has its headers instead."""
    description: str | None = None
    contact: str | None = None
    secrets: tuple[SealedSecret, ...]
    created_at: datetime
    since: LogId
    """The newest entry of the log when it was made: it hears what came later."""
    state: State = "active"
    state_since: datetime
    state_reason: str | None = None
    resume_from: LogId | None = None
    notice_due: bool = False
    """Whether operators are still to be told that it was disabled."""

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
