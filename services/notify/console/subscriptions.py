"""Subscriptions at the console: all of them, and one with its attempts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from redis.asyncio import Redis

from services.notify.console.rendering import View
from services.notify.delivery.history import DeliveryHistory
from services.notify.delivery.replays import ReplayStore
from services.notify.model.subscription import Subscription
from services.notify.subscriptions.service import Subscribing
from services.notify.subscriptions.store import SubscriptionStore
from services.notify.websub.subscriptions import FeedSubscription, FeedSubscriptionStore
from shared.http.auth import ApiKey
from shared.model.clock import from_ms
from shared.model.ids import SubscriptionId

_SHOWN = 100
_ATTEMPTS_SHOWN = 25
_REPLAYS_SHOWN = 5
STATES = ("active", "paused", "disabled")


@dataclass(frozen=True)
class Row:
    """A subscription in the list, with what waits for it."""

    subscription: Subscription
    waiting: int
    attempts: int
    failing_since: datetime | None
    rests_until: datetime | None
    """Until when a failing endpoint is spared: its circuit is open."""


@dataclass(frozen=True)
class FeedRow:
    """A feed's subscriber in the list."""

    subscription: FeedSubscription
    attempts: int
    expires_at: datetime


@dataclass(frozen=True)
class Sources:
    """What knows of subscriptions: endpoints', feeds', and what was tried and is tried again."""

    store: SubscriptionStore
    feeds: FeedSubscriptionStore
    subscribing: Subscribing
    history: DeliveryHistory
    replays: ReplayStore


class Subscriptions:
    """Reads what the pages about subscriptions show."""

    def __init__(self, redis: Redis, sources: Sources) -> None:
        self._redis = redis
        self._store = sources.store
        self._feeds = sources.feeds
        self._subscribing = sources.subscribing
        self._history = sources.history
        self._replays = sources.replays

    async def all(self, key: ApiKey, state: str | None, page: int) -> View:
        """Return the list, a page of it, of one state only if one is given."""
        everyone = await self._subscribing.list(key)
        wanted = [one for one in reversed(everyone) if state in (None, one.state)]
        start = (page - 1) * _SHOWN
        feeds = await self._feeds.list()
        values = {
            "feeds": await self._feed_rows(sorted(feeds, key=lambda one: (one.path, one.callback))[:_SHOWN]),
            "feed_total": len(feeds),
            "rows": await self._rows(wanted[start : start + _SHOWN]),
            "counts": {name: sum(one.state == name for one in everyone) for name in STATES},
            "total": len(everyone),
            "state": state,
            "page": page,
            "has_more": len(wanted) > start + _SHOWN,
        }
        return View("subscriptions", "subscriptions", "Subscriptions", values)

    async def _rows(self, subscriptions: Sequence[Subscription]) -> Sequence[Row]:
        pipeline = self._redis.pipeline(transaction=False)
        for one in subscriptions:
            shard = self._store.shard_of(one.id)
            pipeline.hlen(shard.deliveries(one.id))
            pipeline.xlen(shard.attempts(one.id))
            pipeline.hmget(shard.endpoint(one.id), "failing_since", "open_until")
        found = await pipeline.execute() if subscriptions else []
        return [
            Row(one, waiting, attempts, *(from_ms(int(moment)) if moment else None for moment in moments))
            for one, waiting, attempts, moments in zip(subscriptions, found[::3], found[1::3], found[2::3], strict=True)
        ]

    async def _feed_rows(self, subscriptions: Sequence[FeedSubscription]) -> Sequence[FeedRow]:
        pipeline = self._redis.pipeline(transaction=False)
        for one in subscriptions:
            pipeline.xlen(self._store.shard_of(one.id).attempts(one.id))
        counts = await pipeline.execute() if subscriptions else []
        return [
            FeedRow(one, attempts, from_ms(one.expires_ms)) for one, attempts in zip(subscriptions, counts, strict=True)
        ]

    async def one(
        self, subscription_id: SubscriptionId, key: ApiKey, outcome: str | None, before: str | None, oldest: str | None
    ) -> View:
        """Return the page of a subscription, with its attempts. Raises NotFound."""
        subscription = await self._subscribing.find(subscription_id, key)
        attempts = await self._history.attempts(subscription_id, outcome, before, _ATTEMPTS_SHOWN)
        values = {
            "row": (await self._rows([subscription]))[0],
            "attempts": attempts.attempts,
            "next": attempts.next,
            "outcome": outcome,
            "before": before,
            "oldest": oldest,
            "replays": (await self._replays.of(subscription_id))[:_REPLAYS_SHOWN],
        }
        return View("subscription", "subscriptions", subscription.description or subscription.url, values)
