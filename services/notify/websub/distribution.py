"""Send a subscriber the feed as it is now, if it differs from the feed that was last sent (WebSub, section 7)."""

import hmac
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Literal
from urllib.parse import urlencode

import structlog
from yarl import URL

from services.notify.channels.http_post import USER_AGENT, Post, post_once
from services.notify.delivery.attempts_in_flight import AttemptMaker
from services.notify.delivery.retry_schedule import next_delay
from services.notify.model.delivery import Attempt, GiveUp, Outcome, Success, TryAgain, outcome_name
from services.notify.model.log_position import LOG_START
from services.notify.subscriptions.secret_box import SecretBox
from services.notify.websub.queue import FeedLease, FeedSettlement
from services.notify.websub.subscriptions import FeedRequest, FeedSubscription
from services.notify.websub.topics import Topic, TopicReader
from shared.model.ids import DeliveryId, EventId
from shared.runtime import metrics

log = structlog.get_logger()

SignatureMethod = Literal["sha1", "sha256", "sha384", "sha512"]

# A subscriber gets at most one notification in this time, however often the feed changes.
SPACING = timedelta(seconds=1)
_LONGEST_SPACING = timedelta(days=1)
SLOW_MS = 1000
FORM = "application/x-www-form-urlencoded"
FEED_CHANGED = "feed.changed"
"""The event type under which the attempts of feeds are listed."""


_random = Random()  # noqa: S311 - it spreads retries, it guards nothing


def signature(secret: str, method: SignatureMethod, body: bytes) -> str:
    """Return the value of X-Hub-Signature (section 7.1)."""
    return f"{method}={hmac.new(secret.encode(), body, method).hexdigest()}"


@dataclass(frozen=True, kw_only=True)
class Distribution(AttemptMaker[FeedLease, FeedSettlement]):
    """Makes the attempts to send feeds."""

    post: Post
    topics: TopicReader
    deny: Callable[[FeedRequest], Awaitable[None]]
    """Keeps the request that tells a subscriber of its end."""
    secret_box: SecretBox
    method: SignatureMethod
    schedule: Sequence[timedelta]

    async def attempt(self, lease: FeedLease) -> FeedSettlement:
        """Send the feed once, unless the subscriber has it, and return what shall become of the subscription."""
        topic = self.topics.read(lease.subscription.path)
        if topic is not None and topic.digest == lease.sent:
            return FeedSettlement(lease, "done")
        attempt = await self._attempted(lease, topic)
        settlement = self._settlement(lease, topic, attempt)
        if topic is None and settlement.verdict == "ended":
            await self.deny(_denial(lease.subscription))
        _tell(lease, attempt, settlement)
        return settlement

    def interrupted(self, lease: FeedLease) -> FeedSettlement:
        """Return the settlement of an attempt that was cut off: another process shall try at once."""
        return FeedSettlement(lease, "retry", failures=lease.attempts)

    async def _attempted(self, lease: FeedLease, topic: Topic | None) -> Attempt:
        at_ms, began = int(time.time() * 1000), time.perf_counter()
        outcome: Outcome = TryAgain("expired", "the feed is not on the volume")
        answer_text = ""
        if topic is not None:
            headers, body = self._message(lease.subscription, topic)
            url = URL(lease.subscription.callback, encoded=True)
            outcome, answer_text = await post_once(self.post, url, headers, body)
        took_ms = int((time.perf_counter() - began) * 1000)
        return Attempt(lease.attempts + 1, at_ms, took_ms, outcome, answer_text)

    def _message(self, subscription: FeedSubscription, topic: Topic) -> tuple[dict[str, str], bytes]:
        headers = {"User-Agent": USER_AGENT}
        if subscription.protocol == "rsscloud":
            # rssCloud tells only that the feed has changed; the reader fetches it.
            return headers | {"Content-Type": FORM}, urlencode({"url": subscription.topic}).encode()
        headers |= {"Content-Type": topic.content_type, "Link": topic.link}
        if subscription.sealed_secret is not None:
            secret = self.secret_box.open(subscription.sealed_secret, subscription.id)
            headers["X-Hub-Signature"] = signature(secret, self.method, topic.content)
        return headers, topic.content

    def _settlement(self, lease: FeedLease, topic: Topic | None, attempt: Attempt) -> FeedSettlement:
        tried = FeedSettlement(
            lease,
            "done",
            spacing=SPACING,
            is_slow=attempt.duration_ms >= SLOW_MS,
            attempt_line=_attempt_line(lease, attempt),
        )
        match attempt.outcome:
            case Success():
                return replace(tried, digest=topic.digest if topic else "")
            case GiveUp():
                return replace(tried, verdict="ended")
            case TryAgain() as outcome:
                tried = replace(tried, spacing=max(SPACING, min(outcome.retry_after or SPACING, _LONGEST_SPACING)))
                wait = next_delay(attempt.number, outcome, self.schedule, _random)
                if wait is not None:
                    return replace(tried, verdict="retry", wait=wait, failures=attempt.number)
                # A subscription that fails stays until its lease ends, and its next change is sent again (section 7).
                # Without a feed nothing is left to wait for.
                return tried if topic is not None else replace(tried, verdict="ended")


def _attempt_line(lease: FeedLease, attempt: Attempt) -> str:
    event_id = EventId(f"feed{lease.leased_ms}")
    return attempt.to_json(DeliveryId(f"{event_id}-{lease.endpoint}"), event_id, FEED_CHANGED, LOG_START)


def _denial(subscription: FeedSubscription) -> FeedRequest:
    kept = subscription.model_dump(include={"id", "protocol", "topic", "callback"})
    return FeedRequest(mode="deny", reason="the feed no longer exists", **kept)


def _tell(lease: FeedLease, attempt: Attempt, settlement: FeedSettlement) -> None:
    outcome = attempt.outcome
    metrics.deliveries_total.labels(outcome=outcome_name(outcome), reason=outcome.reason).inc()
    log.info(
        "feed.sent" if isinstance(outcome, Success) else "feed.not_sent",
        subscription=lease.subscription.id,
        feed=lease.subscription.path,
        attempt=attempt.number,
        status=outcome.status,
        reason=outcome.reason or None,
        took_ms=attempt.duration_ms,
        next_in_seconds=round(settlement.wait.total_seconds(), 1) if settlement.verdict == "retry" else None,
    )
