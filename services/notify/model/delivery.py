"""What a delivery is, how an attempt may end, and how the store keeps both."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar, Literal

from pydantic_core import from_json, to_json

from services.notify.model.subscription import Subscription
from shared.model.events import LeftBy
from shared.model.ids import DeliveryId, EventId, LogId, SubscriptionId
from shared.store.keys import Shard

Reason = Literal["dns", "blocked_address", "tls", "connect", "timeout", "too_large", "status", "interrupted", "expired"]
"""Why an attempt failed. `expired`: the log no longer has the event, so nothing is left to send."""

LONGEST_RETRY_AFTER = timedelta(days=1)
"""A receiver that asks for more is tried again after a day."""


@dataclass(frozen=True)
class Success:
    """The endpoint answered 2xx."""

    status: int
    reason: ClassVar[Literal[""]] = ""


@dataclass(frozen=True)
class TryAgain:
    """The attempt failed in a way that may pass."""

    reason: Reason
    detail: str
    status: int | None = None
    retry_after: timedelta | None = None


@dataclass(frozen=True)
class GiveUp:
    """There will be no further attempt. `disables`: the endpoint wants no deliveries at all."""

    reason: Reason
    detail: str
    status: int | None = None
    disables: bool = False


Outcome = Success | TryAgain | GiveUp


@dataclass(frozen=True)
class Delivery:
    """
    One event for one subscription, until it is over.

    The event's body stays in the log, under `log_id`. Only a ping, which is in no log, has a body of its own.
    """

    id: DeliveryId
    event_id: EventId
    event_type: str
    log_id: LogId
    enqueued_ms: int
    attempts: int = 0
    body: str | None = None
    is_again: bool = False
    """Whether the delivery was over before, and is made again."""
    left: LeftBy | None = None
    """By what the item left the subscription's filter, where that is what it is told."""

    @property
    def is_counted(self) -> bool:
        """Whether the event's tally counts the delivery: it counts no pings, and no delivery twice."""
        return self.body is None and not self.is_again

    def after_attempt(self) -> "Delivery":
        return replace(self, attempts=self.attempts + 1)

    def to_json(self) -> str:
        """Return the state as the store keeps it, under the delivery's id; lease_due.lua raises `attempts`."""
        state: dict[str, object] = {
            "event_id": self.event_id,
            "event_type": self.event_type,
            "log_id": self.log_id,
            "enqueued_ms": self.enqueued_ms,
            "attempts": self.attempts,
        }
        if self.body is not None:
            state["body"] = self.body
        if self.is_again:
            state["is_again"] = True
        if self.left is not None:
            state["left"] = self.left
        return to_json(state).decode()

    @classmethod
    def from_json(cls, delivery_id: DeliveryId, state: str) -> "Delivery":
        kept = from_json(state)
        return cls(
            id=delivery_id,
            event_id=EventId(kept["event_id"]),
            event_type=kept["event_type"],
            log_id=LogId(kept["log_id"]),
            enqueued_ms=int(kept["enqueued_ms"]),
            attempts=int(kept["attempts"]),
            body=kept.get("body"),
            is_again=kept.get("is_again", False),
            left=kept.get("left"),
        )


def subscription_of(delivery_id: DeliveryId) -> SubscriptionId:
    """Return the subscription of a delivery: the delivery's id ends with the subscription's."""
    return SubscriptionId(delivery_id.rpartition("-")[2])


@dataclass(frozen=True)
class Lease:
    """Work that this process holds until the lease expires; only the holder of the token may settle it."""

    endpoint: SubscriptionId
    token: str
    attempts: int
    """How many attempts failed before."""
    leased_ms: int
    """When it was leased, by the store's clock."""

    @property
    def log_fields(self) -> dict[str, object]:
        return {"subscription": self.endpoint, "attempt": self.attempts + 1}


@dataclass(frozen=True)
class DeliveryLease(Lease):
    """A leased delivery, with its subscription as it was then."""

    delivery: Delivery
    subscription: Subscription
    shard: Shard

    @property
    def log_fields(self) -> dict[str, object]:
        return {"delivery_id": self.delivery.id}


@dataclass(frozen=True)
class Attempt:
    """One try to send, and its outcome; `answer` is the beginning of the answer if the attempt failed."""

    number: int
    at_ms: int
    duration_ms: int
    outcome: Outcome
    answer: str = ""

    def to_json(
        self,
        delivery_id: DeliveryId,
        event_id: EventId,
        event_type: str,
        log_id: LogId,
        left: LeftBy | None = None,
    ) -> str:
        """Return the line that the subscription's list of attempts keeps; lease_due.lua writes one like it."""
        line: dict[str, object] = {
            "delivery_id": delivery_id,
            "event_id": event_id,
            "event_type": event_type,
            "log_id": log_id,
            "attempt": self.number,
            "at_ms": self.at_ms,
            "duration_ms": self.duration_ms,
            "outcome": outcome_name(self.outcome),
            "status": self.outcome.status,
        }
        if left is not None:
            line["left"] = left
        if not isinstance(self.outcome, Success):
            line |= {"reason": self.outcome.reason, "detail": self.outcome.detail, "answer": self.answer}
        return to_json(line).decode()


def outcome_name(outcome: Outcome) -> Literal["delivered", "failed", "given_up"]:
    """Return the word for an outcome in lists and metrics."""
    match outcome:
        case Success():
            return "delivered"
        case TryAgain():
            return "failed"
        case GiveUp():
            return "given_up"


@dataclass(frozen=True)
class Retry:
    """The delivery is tried again when `wait` has passed."""

    wait: timedelta


@dataclass(frozen=True)
class Burial:
    """The delivery is over and goes to the dead letters."""

    reason: Reason


@dataclass(frozen=True)
class Omission:
    """The delivery is over: its event was erased, so nothing of it is counted or kept."""


@dataclass(frozen=True)
class HandBack:
    """The process stops: another one shall try at once. The delivery keeps its number of attempts."""


Verdict = Success | Retry | Burial | Omission | HandBack


@dataclass(frozen=True)
class Settlement:
    """What shall become of a leased delivery after an attempt."""

    lease: DeliveryLease
    verdict: Verdict
    delivery: Delivery
    attempt: Attempt
