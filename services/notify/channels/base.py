"""What every delivery channel has in common: what a channel is, and one attempt to send through it."""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import getrandbits
from typing import Annotated, Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from services.notify.channels.http_post import Post, SendResult
from services.notify.channels.signing import SigningKey, signing_key
from services.notify.model.delivery import Attempt, Delivery, Outcome, Success, TryAgain
from services.notify.model.subscription import Subscription
from shared.egress.address_guard import AddressGuard
from shared.model.ids import SubscriptionId
from shared.runtime import tracing
from shared.runtime.lru import Lru
from shared.runtime.trace_step import Step

MAX_URL_CHARS = 2048
_MAX_RECIPIENTS = 10_000


class Unseal(Protocol):
    """Opens a sealed text of the subscription that owns it."""

    def __call__(self, sealed: str, owner: str) -> str: ...


class Target(BaseModel):
    """
    What a subscriber gives so that a channel can reach it.

    The fields stand in the body of a subscription request, beside those that all channels share. A channel that needs
    more than an address has a subclass.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, Field(max_length=MAX_URL_CHARS)]
    """Where deliveries go, as lists show it; the scheme may be the channel's own."""


TargetT = TypeVar("TargetT", bound=Target)


@dataclass(frozen=True)
class Message:
    """What is sent: the body as it was announced, and the trace it belongs to."""

    body: bytes
    trace_id: str


@dataclass(frozen=True)
class Recipient(Generic[TargetT]):
    """A subscription that is ready to be sent to: its target and its secrets are opened once for many deliveries."""

    subscription: Subscription
    target: TargetT
    keys: Sequence[tuple[SigningKey, float | None]]
    """Each with the moment (seconds since the epoch) after which it signs no more."""

    def signing(self, now: float) -> list[SigningKey]:
        return [key for key, expires in self.keys if expires is None or now < expires]


class Channel(Protocol[TargetT]):
    """
    One way to reach subscribers. The module of a channel exports one object of this shape, `CHANNEL`.

    A channel states its kind and its target, and sends. The other methods have defaults that fit most channels: a
    target is kept sealed, and only its address is shown.
    """

    kind: str
    """The word for the channel in requests, records and answers."""
    target: type[TargetT]

    async def send(
        self, recipient: Recipient[TargetT], delivery: Delivery, message: Message, traceparent: str, post: Post
    ) -> SendResult:
        """Send once and return what came of it. A failure that may pass is TryAgain, one for good is GiveUp."""

    def url_problem(self, url: str, guard: AddressGuard) -> str | None:  # noqa: ARG002 - a default
        """Return what makes the address unfit, or None."""
        return None

    def record_of(self, target: TargetT, seal: Callable[[str], str]) -> dict[str, object]:
        """Return the fields of a subscription's record that keep the target."""
        own = target.model_dump_json(include=self.target.model_fields.keys() - {"url"})
        return {"url": target.url, "sealed_target": seal(own)}

    def target_of(self, subscription: Subscription, unseal: Callable[[str], str]) -> TargetT:
        """Return the target that a subscription's record keeps."""
        own = json.loads(unseal(subscription.sealed_target)) if subscription.sealed_target else {}
        return self.target(url=subscription.url, **own)

    def shown(self, subscription: Subscription) -> dict[str, object]:  # noqa: ARG002 - a default
        """Return what callers see of the target beside its address."""
        return {}


AnyChannel = Channel[Any]  # Any: each channel has a target of its own, and is given no other


def by_kind(channels: Iterable[AnyChannel]) -> Mapping[str, AnyChannel]:
    """Return the channels under the kinds that subscriptions name."""
    return {channel.kind: channel for channel in channels}


class ChannelSender:
    """Makes attempts: sends each delivery once through the channel of its subscription."""

    def __init__(self, channels: Mapping[str, AnyChannel], post: Post, unseal: Unseal) -> None:
        self._channels = channels
        self._post = post
        self._unseal = unseal
        self._recipients: Lru[SubscriptionId, Recipient[Any]] = Lru(_MAX_RECIPIENTS)  # Any: as in AnyChannel

    async def send(self, delivery: Delivery, subscription: Subscription, message: Message) -> Attempt:
        """Send once and return the attempt; a failure is a value, not an exception."""
        now = time.time()
        began = time.perf_counter()
        step = Step("notify.attempt", f"{delivery.id} {delivery.attempts + 1}") if tracing.is_on() else None
        # Not a secret, so a fast random number will do; all zeros would be invalid (Trace Context, 3.2.2.4).
        span_id = step.span_id if step is not None else f"{getrandbits(64) or 1:016x}"
        traceparent = f"00-{message.trace_id}-{span_id}-01"
        channel = self._channels.get(subscription.kind)
        outcome: Outcome
        if channel is None:
            # Another replica may run a release that has the channel.
            outcome, answer = TryAgain("connect", f'this release has no channel "{subscription.kind}"'), ""
        else:
            recipient = self._recipient(channel, subscription)
            outcome, answer = await channel.send(recipient, delivery, message, traceparent, self._post)
        if step is not None:
            _trace(step, delivery, message, int(now * 1_000_000_000), outcome)
        took_ms = int((time.perf_counter() - began) * 1000)
        return Attempt(delivery.attempts + 1, int(now * 1000), took_ms, outcome, answer)

    def _recipient(self, channel: AnyChannel, subscription: Subscription) -> Recipient[Any]:  # Any: as above
        recipient = self._recipients.get(subscription.id)
        if recipient is not None and recipient.subscription is subscription:
            return recipient
        unseal = partial(self._unseal, owner=subscription.id)
        keys = [
            (signing_key(unseal(one.sealed)), one.expires_at.timestamp() if one.expires_at else None)
            for one in subscription.secrets
        ]
        recipient = Recipient(subscription, channel.target_of(subscription, unseal), keys)
        self._recipients.put(subscription.id, recipient)
        return recipient


def _trace(step: Step, delivery: Delivery, message: Message, began_ns: int, outcome: Outcome) -> None:
    # A ping is in no log, so no step came before it.
    after = Step("announce", delivery.event_id) if delivery.body is None else None
    error = None if isinstance(outcome, Success) else outcome.reason
    number = delivery.attempts + 1
    tracing.record(step, message.trace_id, began_ns, after=after, is_request=True, error=error, attempt=number)
