"""One attempt of a delivery: find the event, send it, decide what becomes of the delivery."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import structlog

from services.notify.channels.base import Message
from services.notify.delivery.retry_schedule import next_delay
from services.notify.log.event_log import EventLog
from services.notify.model.delivery import (
    Attempt,
    Burial,
    Delivery,
    DeliveryLease,
    GiveUp,
    HandBack,
    Omission,
    Retry,
    Settlement,
    Success,
    TryAgain,
    outcome_name,
)
from services.notify.model.subscription import Subscription
from shared.model.clock import to_ms
from shared.model.ids import SubscriptionId, new_trace_id
from shared.model.stream_id import StreamId
from shared.runtime import metrics

log = structlog.get_logger()

Send = Callable[[Delivery, Subscription, Message], Awaitable[Attempt]]
Stop = Callable[[SubscriptionId, str], Awaitable[None]]


class DeliveryAttempts:
    """Makes the attempts of deliveries; calls `disable` or `pause` when an endpoint must get nothing more for now."""

    def __init__(
        self, send: Send, event_log: EventLog, schedule: Sequence[timedelta], *, disable: Stop, pause: Stop
    ) -> None:
        self._send = send
        self._event_log = event_log
        self._schedule = tuple(schedule)
        self._disable = disable
        self._pause = pause
        self._random = Random()  # noqa: S311 - it spreads retries, it guards nothing

    async def attempt(self, lease: DeliveryLease) -> Settlement:
        """Try the leased delivery once and return what shall become of it."""
        attempt = await self._attempted(lease.delivery, lease.subscription)
        if attempt is None:
            log.info("delivery.forgotten", delivery_id=lease.delivery.id, subscription=lease.subscription.id)
            nothing = _without_sending(lease.delivery, GiveUp("expired", "the event was erased"))
            return Settlement(lease, Omission(), lease.delivery, nothing)
        if isinstance(attempt.outcome, Success):
            # No log line: a line costs a tenth of the whole delivery, the metrics count it, and the attempts list it.
            _succeeded.inc()
            self._count_time_of(lease.delivery)
            return Settlement(lease, attempt.outcome, lease.delivery, attempt)
        after = lease.delivery.after_attempt()
        verdict, attempt = self._decided(attempt.outcome, attempt, after)
        if isinstance(verdict, Burial):
            verdict, after = await self._given_up(lease.subscription, attempt, after, verdict)
        _tell(lease.subscription, after, attempt, verdict)
        return Settlement(lease, verdict, after, attempt)

    def interrupted(self, lease: DeliveryLease) -> Settlement:
        """Return the settlement of an attempt that was cut off because its process stops."""
        outcome = TryAgain("interrupted", "the worker stopped")
        attempt = Attempt(lease.attempts + 1, lease.leased_ms, int(time.time() * 1000) - lease.leased_ms, outcome)
        return Settlement(lease, HandBack(), lease.delivery, attempt)

    def is_good(self, settlement: Settlement) -> bool:
        """Whether the endpoint answered 2xx."""
        return isinstance(settlement.verdict, Success)

    def _count_time_of(self, delivery: Delivery) -> None:
        """Observe the time from the item to its page plus the time in the queue, not the time before a replay."""
        event = self._event_log.cached(delivery.log_id) if delivery.body is None else None
        if event is None:
            return  # a ping, or an event that has left the cache: rare, and one sample less
        announced_ms = StreamId.parse(delivery.log_id).milliseconds
        visible_ms = announced_ms - to_ms(datetime.fromisoformat(event.occurred_at))
        queued_ms = time.time() * 1000 - delivery.enqueued_ms
        metrics.delivered_seconds.observe(max(0, visible_ms) / 1000 + max(0, queued_ms) / 1000)

    async def _attempted(self, delivery: Delivery, subscription: Subscription) -> Attempt | None:
        """Send the event and return what came of it, or None where the event was erased."""
        message = await self._message(delivery)
        if message is None and not await self._event_log.is_trimmed(delivery.log_id):
            return None
        if delivery.attempts > len(self._schedule):
            # Only interruptions lead here: each process that leased the delivery was gone before it settled.
            return _without_sending(delivery, GiveUp("interrupted", "every worker that had it was gone"))
        if message is None:
            return _without_sending(delivery, GiveUp("expired", "the log no longer has the event"))
        return await self._send(delivery, subscription, message)

    async def _message(self, delivery: Delivery) -> Message | None:
        if delivery.body is not None:
            return Message(delivery.body.encode(), new_trace_id())
        event = await self._event_log.event(delivery.log_id)
        if event is None:
            return None
        return Message(event.body_as(delivery.event_type, delivery.left).encode(), event.trace_id)

    def _decided(
        self, outcome: TryAgain | GiveUp, attempt: Attempt, delivery: Delivery
    ) -> tuple[Retry | Burial, Attempt]:
        if isinstance(outcome, GiveUp):
            return Burial(outcome.reason), attempt
        wait = next_delay(delivery.attempts, outcome, self._schedule, self._random)
        if wait is not None:
            return Retry(wait), attempt
        return Burial(outcome.reason), replace(attempt, outcome=GiveUp(outcome.reason, outcome.detail, outcome.status))

    async def _given_up(
        self, subscription: Subscription, attempt: Attempt, delivery: Delivery, verdict: Burial
    ) -> tuple[Retry | Burial, Delivery]:
        """Disable or pause the subscription where it must be. The head of an ordered queue is never skipped."""
        outcome = attempt.outcome
        if isinstance(outcome, GiveUp) and outcome.disables:
            await self._disable(subscription.id, outcome.detail)
        elif subscription.ordered:
            await self._pause(subscription.id, f"{delivery.id} was given up ({verdict.reason}) and stands at the head")
        if not subscription.ordered:
            return verdict, delivery
        return Retry(timedelta(0)), replace(delivery, attempts=0)


def _without_sending(delivery: Delivery, outcome: GiveUp) -> Attempt:
    return Attempt(delivery.attempts + 1, int(time.time() * 1000), 0, outcome)


def _tell(subscription: Subscription, delivery: Delivery, attempt: Attempt, verdict: Retry | Burial) -> None:
    outcome = attempt.outcome
    metrics.deliveries_total.labels(outcome=outcome_name(outcome), reason=outcome.reason).inc()
    if isinstance(verdict, Burial):
        metrics.dead_letters_total.labels(stream="deliveries").inc()
    log.info(
        "delivery.failed",
        delivery_id=delivery.id,
        subscription=subscription.id,
        attempt=attempt.number,
        outcome=outcome_name(outcome),
        status=outcome.status,
        reason=outcome.reason,
        took_ms=attempt.duration_ms,
        next_in_seconds=round(verdict.wait.total_seconds(), 1) if isinstance(verdict, Retry) else None,
    )


_succeeded = metrics.deliveries_total.labels(outcome="delivered", reason="")
