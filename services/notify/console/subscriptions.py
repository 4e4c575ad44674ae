"""Subscriptions at the console: the list, and one subscription with its attempts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from redis.asyncio import Redis
from starlette.requests import Request

from services.notify.console.rendering import View
from services.notify.console.routes import ConsoleRoutes, place_in
from services.notify.console.sessions import Operator
from services.notify.delivery.history import DeliveryHistory
from services.notify.delivery.replays import ReplayStore
from services.notify.model.subscription import Subscription
from services.notify.subscriptions.service import SubscriptionService
from services.notify.subscriptions.store import SubscriptionStore
from services.notify.websub.subscriptions import FeedSubscription, FeedSubscriptionStore
from shared.model.clock import from_ms
from shared.model.ids import SubscriptionId

_SHOWN = 100
_ATTEMPTS_SHOWN = 25
_REPLAYS_SHOWN = 5
_MOST_DIGITS = 6
STATES = ("active", "paused", "disabled")


@dataclass(frozen=True)
class SubscriptionRow:
    """A subscription in the list, with its queue and its endpoint."""

    subscription: Subscription
    waiting: int
    attempts: int
    failing_since: datetime | None
    rests_until: datetime | None
    """Until when the failing endpoint is spared: its circuit is open."""


def add_subscriptions(
    console: ConsoleRoutes,
    redis: Redis,
    *,
    store: SubscriptionStore,
    feeds: FeedSubscriptionStore,
    service: SubscriptionService,
    history: DeliveryHistory,
    replays: ReplayStore,
) -> None:
    """Declare the pages of subscriptions."""

    @console.page("/subscriptions")
    async def everyone(request: Request, operator: Operator) -> View:
        state, page = request.query_params.get("state"), _page_number(request)
        subscriptions = await service.list(operator.key)
        wanted = [one for one in reversed(subscriptions) if state in (None, one.state)]
        start = (page - 1) * _SHOWN
        subscribers = sorted(await feeds.list(), key=lambda one: (one.path, one.callback))
        values = {
            "feeds": await _with_attempts(redis, store, subscribers[:_SHOWN]),
            "feed_total": len(subscribers),
            "rows": await _rows(redis, store, wanted[start : start + _SHOWN]),
            "counts": {name: sum(one.state == name for one in subscriptions) for name in STATES},
            "total": len(subscriptions),
            "state": state,
            "page": page,
            "has_more": len(wanted) > start + _SHOWN,
        }
        return View("subscriptions", "subscriptions", "Subscriptions", values)

    @console.page("/subscriptions/{subscription_id}")
    async def one(request: Request, operator: Operator) -> View:
        subscription_id = SubscriptionId(request.path_params["subscription_id"])
        outcome, before = request.query_params.get("outcome"), place_in(request, "before")
        subscription = await service.find(subscription_id, operator.key)
        attempts = await history.attempts(subscription_id, outcome, before, _ATTEMPTS_SHOWN)
        values = {
            "row": (await _rows(redis, store, [subscription]))[0],
            "attempts": attempts.attempts,
            "next": attempts.next,
            "outcome": outcome,
            "before": before,
            "oldest": place_in(request, "oldest"),
            "replays": (await replays.of(subscription_id))[:_REPLAYS_SHOWN],
        }
        return View("subscription", "subscriptions", subscription.description or subscription.url, values)


def _page_number(request: Request) -> int:
    page = request.query_params.get("page", "1")
    return max(1, int(page)) if page.isdecimal() and len(page) < _MOST_DIGITS else 1


async def _rows(
    redis: Redis, store: SubscriptionStore, subscriptions: Sequence[Subscription]
) -> Sequence[SubscriptionRow]:
    pipeline = redis.pipeline(transaction=False)
    for one in subscriptions:
        shard = store.shard_of(one.id)
        pipeline.hlen(shard.deliveries(one.id))
        pipeline.xlen(shard.attempts(one.id))
        pipeline.hmget(shard.endpoint(one.id), "failing_since", "open_until")
    found = await pipeline.execute() if subscriptions else []
    return [
        SubscriptionRow(one, waiting, attempts, *(from_ms(int(moment)) if moment else None for moment in moments))
        for one, waiting, attempts, moments in zip(subscriptions, found[::3], found[1::3], found[2::3], strict=True)
    ]


async def _with_attempts(
    redis: Redis, store: SubscriptionStore, subscribers: Sequence[FeedSubscription]
) -> Sequence[tuple[FeedSubscription, int]]:
    pipeline = redis.pipeline(transaction=False)
    for one in subscribers:
        pipeline.xlen(store.shard_of(one.id).attempts(one.id))
    return list(zip(subscribers, await pipeline.execute() if subscribers else [], strict=True))
