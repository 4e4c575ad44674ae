"""What a delivery is, what an attempt may come to, and how both are kept in the store."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar, Literal

from pydantic_core import from_json, to_json

from shared.model.ids import DeliveryId, EventId, LogId, SubscriptionId

Reason = Literal["dns", "blocked_address", "tls", "connect", "timeout", "too_large", "status", "interrupted", "expired"]
"""Why an attempt failed. `expired`: the log no longer has the event, there is nothing left to send."""

LONGEST_RETRY_AFTER = timedelta(days=1)
"""A receiver that asks for more is tried again after a day."""


@dataclass(frozen=True)
class Delivered:
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
    """There will be no further attempt. `disables` tells that the endpoint wants none of anything."""

    reason: Reason
    detail: str
    status: int | None = None
    disables: bool = False


Outcome = Delivered | TryAgain | GiveUp


@dataclass(frozen=True)
class Delivery:
    """
    One event for one subscription, as long as it is not settled.

    The event's body stays in the log, under `log_id`; only a ping, which is in no log, brings its own.
    """

    id: DeliveryId
    event_id: EventId
    event_type: str
    log_id: LogId
    enqueued_ms: int
    attempts: int = 0
    body: str | None = None
    is_again: bool = False
    """Whether it was over before, and is made again."""

    @property
    def is_counted(self) -> bool:
        """Whether it is one of those that the event is to reach: a ping is not, nor is what is sent a second time."""
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
        )


def subscription_of(delivery_id: DeliveryId) -> SubscriptionId:
    """Return whose delivery it is: a delivery's id ends with its subscription's."""
    return SubscriptionId(delivery_id.rpartition("-")[2])


@dataclass(frozen=True)
class Lease:
    """A delivery in this worker's hand until the lease ends; only the token's holder may settle it."""

    subscription_id: SubscriptionId
    delivery: Delivery
    token: str


@dataclass(frozen=True)
class Attempt:
    """One HTTP try and what came of it; `answer` is the beginning of a failure's answer."""

    number: int
    at_ms: int
    duration_ms: int
    outcome: Outcome
    answer: str = ""

    def to_json(self, delivery: Delivery) -> str:
        """Return the line that the subscription's list of attempts keeps; lease_due.lua writes one like it."""
        line: dict[str, object] = {
            "delivery_id": delivery.id,
            "event_id": delivery.event_id,
            "event_type": delivery.event_type,
            "log_id": delivery.log_id,
            "attempt": self.number,
            "at_ms": self.at_ms,
            "duration_ms": self.duration_ms,
            "outcome": outcome_name(self.outcome),
            "status": self.outcome.status,
        }
        if not isinstance(self.outcome, Delivered):
            line |= {"reason": self.outcome.reason, "detail": self.outcome.detail, "answer": self.answer}
        return to_json(line).decode()


def outcome_name(outcome: Outcome) -> Literal["delivered", "failed", "given_up"]:
    """Return the word for an outcome that lists and metrics use."""
    match outcome:
        case Delivered():
            return "delivered"
        case TryAgain():
            return "failed"
        case GiveUp():
            return "given_up"


@dataclass(frozen=True)
class Done:
    """The delivery is over: it was heard."""


@dataclass(frozen=True)
class Retry:
    """Try again when `wait` has passed."""

    wait: timedelta


@dataclass(frozen=True)
class Dropped:
    """The delivery is over: it goes to the dead letters."""

    reason: Reason


@dataclass(frozen=True)
class HandedBack:
    """The worker stops: someone else shall try at once. It costs the delivery none of its attempts."""


Verdict = Done | Retry | Dropped | HandedBack


@dataclass(frozen=True)
class Settlement:
    """What shall become of a leased delivery after an attempt."""

    lease: Lease
    verdict: Verdict
    delivery: Delivery
    attempt: Attempt
