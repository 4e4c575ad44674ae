"""What tests do with a delivery queue: enqueue, lease, settle."""

from redis.asyncio import Redis

from services.notify.delivery.queue import DeliveryQueue, EndpointQuery, ShardTurn, TurnResult
from services.notify.model.delivery import (
    Attempt,
    Burial,
    Delivery,
    DeliveryLease,
    GiveUp,
    HandBack,
    Outcome,
    Settlement,
    Success,
    TryAgain,
    Verdict,
)
from services.notify.model.subscription import Subscription
from shared.model.clock import store_now, to_ms
from shared.model.ids import DeliveryId, EventId, LogId
from shared.store.keys import Shard

SHARD = Shard(0)
FAILED = TryAgain("status", "500", 500)


async def enqueue(redis: Redis, subscription: Subscription, *names: str) -> None:
    for name in names:
        delivery = Delivery(DeliveryId(name), EventId(name), "item.published.v1", LogId("1-0"), 0)
        await redis.hset(SHARD.deliveries(subscription.id), name, delivery.to_json())
        await redis.rpush(SHARD.ready(subscription.id), name)
    await redis.zadd(SHARD.due, {subscription.id: to_ms(await store_now(redis))}, lt=True)


async def lease(
    queue: DeliveryQueue, *subscriptions: Subscription, at_once: int = 4, quick: int = 100, is_slow: bool = False
) -> TurnResult:
    queries = [EndpointQuery(one, is_slow=is_slow, at_once=at_once) for one in subscriptions]
    (result,) = await queue.turn([ShardTurn(SHARD, (), queries, version=0, quick=quick, slow=100)])
    return result


async def settle(queue: DeliveryQueue, held: DeliveryLease, verdict: Verdict) -> None:
    outcome: Outcome = FAILED
    if isinstance(verdict, Success):
        outcome = verdict
    if isinstance(verdict, Burial):
        outcome = GiveUp("status", "500", 500)
    attempt = Attempt(held.delivery.attempts + 1, 0, 5, outcome, "oh no")
    delivery = held.delivery if isinstance(verdict, HandBack) else held.delivery.after_attempt()
    await queue.turn([ShardTurn(SHARD, [Settlement(held, verdict, delivery, attempt)])])


def names(leased: TurnResult) -> list[str]:
    return [one.delivery.id for one in leased.leases]


async def leased_into(queue: DeliveryQueue, subscription: Subscription, due: list[DeliveryLease]) -> bool:
    due += (await lease(queue, subscription)).leases
    return bool(due)
