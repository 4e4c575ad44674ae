"""Send one delivery once: the request as Standard Webhooks asks, and what came of it."""

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from random import getrandbits

from yarl import URL

from services.notify.channels.retry_policy import outcome_of, parse_retry_after
from services.notify.model.delivery import Attempt, Delivered, Delivery, Outcome, TryAgain
from services.notify.model.subscription import Subscription
from services.notify.subscriptions.secret_box import SecretBox
from services.notify.subscriptions.signing import SigningKey, signature_header, signing_key
from shared.egress.http_connection import Answer, NoAnswer
from shared.model.ids import SubscriptionId
from shared.runtime import tracing
from shared.runtime.trace_step import Step

ANSWER_KEPT_BYTES = 4096
USER_AGENT = f"Clarion/{version('clarion')}"
_MAX_PREPARED = 10_000

Post = Callable[[URL, Mapping[str, str], bytes], Awaitable[Answer]]


@dataclass(frozen=True)
class Message:
    """What is sent: the body as it was announced, and the trace it belongs to."""

    body: bytes
    trace_id: str


@dataclass(frozen=True)
class _Prepared:
    """What is the same in every request to a subscription's endpoint."""

    subscription: Subscription
    url: URL
    headers: Mapping[str, str]
    keys: tuple[tuple[SigningKey, float | None], ...]
    """Each with the moment (seconds since the epoch) after which it signs no more."""

    def signing(self, now: float) -> list[SigningKey]:
        return [key for key, expires in self.keys if expires is None or now < expires]


class Sender:
    """Sends deliveries; opens each subscription's secrets once."""

    def __init__(self, post: Post, secret_box: SecretBox) -> None:
        self._post = post
        self._secret_box = secret_box
        self._prepared: dict[SubscriptionId, _Prepared] = {}

    async def send(self, delivery: Delivery, subscription: Subscription, message: Message) -> Attempt:
        """Try once and return what came of it; a failure is a value, too."""
        now = time.time()
        began = time.perf_counter()
        prepared = self._prepare(subscription)
        step = Step("notify.attempt", f"{delivery.id} {delivery.attempts + 1}") if tracing.is_on() else None
        # No secret, so the quick kind of random number will do; all zeros would be invalid (Trace Context, 3.2.2.4).
        span_id = step.span_id if step is not None else f"{getrandbits(64) or 1:016x}"
        headers = _headers(prepared, delivery, message, now, span_id)
        answer_text = ""
        outcome: Outcome
        try:
            answer = await self._post(prepared.url, headers, message.body)
        except NoAnswer as error:
            outcome = TryAgain(error.reason, error.detail)
        else:
            outcome = outcome_of(answer.status, parse_retry_after(answer.headers.get("retry-after"), datetime.now(UTC)))
            if not isinstance(outcome, Delivered):
                answer_text = answer.body[:ANSWER_KEPT_BYTES].decode("utf-8", "replace")
        if step is not None:
            _trace(step, delivery, message, int(now * 1_000_000_000), outcome)
        return Attempt(
            number=delivery.attempts + 1,
            at_ms=int(now * 1000),
            duration_ms=int((time.perf_counter() - began) * 1000),
            outcome=outcome,
            answer=answer_text,
        )

    def _prepare(self, subscription: Subscription) -> _Prepared:
        prepared = self._prepared.get(subscription.id)
        if prepared is None or prepared.subscription is not subscription:
            if len(self._prepared) >= _MAX_PREPARED:
                self._prepared.pop(next(iter(self._prepared)))
            prepared = self._open(subscription)
            self._prepared[subscription.id] = prepared
        return prepared

    def _open(self, subscription: Subscription) -> _Prepared:
        own_headers: dict[str, str] = {}
        if subscription.sealed_headers is not None:
            own_headers = json.loads(self._secret_box.open(subscription.sealed_headers, subscription.id))
        keys = tuple(
            (
                signing_key(self._secret_box.open(secret.sealed, subscription.id)),
                secret.expires_at.timestamp() if secret.expires_at else None,
            )
            for secret in subscription.secrets
        )
        ours = {"User-Agent": USER_AGENT, "Content-Type": "application/json"}
        return _Prepared(subscription, URL(subscription.url), own_headers | ours, keys)


def _trace(step: Step, delivery: Delivery, message: Message, began_ns: int, outcome: Outcome) -> None:
    # A ping stands in no log: nothing came before it.
    after = Step("announce", delivery.event_id) if delivery.body is None else None
    error = None if isinstance(outcome, Delivered) else outcome.reason
    number = delivery.attempts + 1
    tracing.record(step, message.trace_id, began_ns, after=after, is_request=True, error=error, attempt=number)


def _headers(prepared: _Prepared, delivery: Delivery, message: Message, now: float, span_id: str) -> dict[str, str]:
    timestamp = int(now)
    return {
        **prepared.headers,
        "webhook-id": delivery.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature_header(prepared.signing(now), delivery.id, timestamp, message.body),
        "traceparent": f"00-{message.trace_id}-{span_id}-01",
    }
