"""The state of deliveries, and their attempts."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from redis.asyncio import Redis

from services.notify.delivery.dead_letters import DeadDeliveries
from services.notify.delivery.queue import ATTEMPTS_KEPT, ATTEMPTS_KEPT_FOR
from services.notify.model.delivery import Delivery, subscription_of
from services.notify.subscriptions.store import SubscriptionStore
from shared.model.clock import from_ms, iso, store_now, to_ms
from shared.model.errors import NotFound
from shared.model.ids import DeliveryId, SubscriptionId

Enqueue = Callable[[SubscriptionId, Delivery], Awaitable[None]]
DeliveryStatus = Literal["queued", "waiting", "in_hand", "delivered", "given_up"]


@dataclass(frozen=True)
class AttemptPage:
    """Attempts, the newest first, and the cursor of the next page."""

    attempts: tuple[dict[str, object], ...]
    next: str | None


class DeliveryHistory:
    """Reads what the queue's scripts write, and retries single deliveries."""

    def __init__(self, redis: Redis, store: SubscriptionStore, enqueue: Enqueue) -> None:
        self._redis = redis
        self._enqueue = enqueue
        self._store = store
        self._dead = DeadDeliveries(redis, store)

    async def attempts(
        self, subscription_id: SubscriptionId, outcome: str | None, cursor: str | None, limit: int
    ) -> AttemptPage:
        """Return a page of the kept attempts of a subscription, of one outcome if `outcome` is given."""
        entries = await self._kept(subscription_id, before=cursor)
        wanted = [(entry_id, line) for entry_id, line in entries if outcome is None or line["outcome"] == outcome]
        page = wanted[:limit]
        return AttemptPage(
            tuple(_shown(line) for _, line in page), page[-1][0] if len(wanted) > len(page) and page else None
        )

    async def delivery(self, delivery_id: DeliveryId) -> dict[str, object]:
        """Return the state of a delivery, with its attempts. Raises NotFound when nothing is kept of it any more."""
        subscription_id = subscription_of(delivery_id)
        attempts = [line for _, line in await self._kept(subscription_id) if line["delivery_id"] == delivery_id]
        waiting = await self._waiting(subscription_id, delivery_id)
        if waiting is None and not attempts:
            raise NotFound(f'there is no delivery "{delivery_id}", or it is no longer remembered')
        known: dict[str, object] = waiting or {
            "status": "delivered" if attempts[0]["outcome"] == "delivered" else "given_up",
            "event_id": attempts[0]["event_id"],
            "event_type": attempts[0]["event_type"],
        }
        shown = [_shown(line) for line in attempts]
        return {"id": delivery_id, "subscription_id": subscription_id, **known, "attempts": shown}

    async def retry_now(self, delivery_id: DeliveryId) -> None:
        """Make a delivery due at once. A delivery that is over is enqueued again, under the same id."""
        subscription_id = subscription_of(delivery_id)
        shard = self._store.shard_of(subscription_id)
        now_ms = to_ms(await store_now(self._redis))
        state = await self._redis.hget(shard.deliveries(subscription_id), delivery_id)
        if state is None:
            return await self._make_again(subscription_id, delivery_id, now_ms)
        async with self._redis.pipeline(transaction=True) as together:
            # Only a waiting delivery changes: a queued or leased one is about to be sent anyway.
            together.zadd(shard.later(subscription_id), {delivery_id: now_ms}, xx=True)
            together.zadd(shard.due, {subscription_id: now_ms}, xx=True, lt=True)
            # Close the circuit: whoever retries by hand expects the endpoint to work again.
            together.hdel(shard.endpoint(subscription_id), "open_until")
            await together.execute()
        return None

    async def _make_again(self, subscription_id: SubscriptionId, delivery_id: DeliveryId, now_ms: int) -> None:
        """Enqueue a delivery that is over, as its dead letter or its last attempt describes it."""
        letters = await self._dead.find(delivery_id)
        if letters:
            await self._enqueue(subscription_id, letters[-1].renewed(now_ms))
            # After enqueueing: a crash in between leaves a dead letter too many, and loses no delivery.
            return await self._dead.forget(letters)
        over = [line for _, line in await self._kept(subscription_id) if line["delivery_id"] == delivery_id]
        if not over:
            raise NotFound(f'there is no delivery "{delivery_id}", or it is no longer remembered')
        last = over[0]
        was_heard = last["outcome"] == "delivered"
        event = last["event_id"], last["event_type"], last["log_id"]
        again = Delivery(delivery_id, *event, now_ms, is_again=was_heard, left=last.get("left"))
        return await self._enqueue(subscription_id, again)

    async def _kept(self, subscription_id: SubscriptionId, before: str | None = None) -> list[tuple[str, Any]]:
        """Return kept attempts with their entry ids, the newest first. Any: lines of JSON, entries of redis-py."""
        oldest = to_ms(await store_now(self._redis) - ATTEMPTS_KEPT_FOR)
        entries: Any = await self._redis.xrevrange(
            self._store.shard_of(subscription_id).attempts(subscription_id),
            max=f"({before}" if before else "+",
            min=str(oldest),
            count=ATTEMPTS_KEPT,
        )
        return [(entry_id, json.loads(fields["attempt"])) for entry_id, fields in entries]

    async def _waiting(self, subscription_id: SubscriptionId, delivery_id: DeliveryId) -> dict[str, object] | None:
        shard = self._store.shard_of(subscription_id)
        state = await self._redis.hget(shard.deliveries(subscription_id), delivery_id)
        if state is None:
            return None
        delivery = Delivery.from_json(delivery_id, str(state))
        due_ms = await self._redis.zscore(shard.later(subscription_id), delivery_id)
        status: DeliveryStatus = "queued" if delivery.attempts == 0 else "in_hand"
        if due_ms is not None:
            status = "waiting"
        return {
            "status": status,
            "event_id": delivery.event_id,
            "event_type": delivery.event_type,
            "next_attempt_at": iso(from_ms(int(due_ms))) if due_ms is not None else None,
        }


def _shown(line: dict[str, Any]) -> dict[str, object]:
    at = iso(from_ms(int(line["at_ms"])))
    return {"at": at, **{name: value for name, value in line.items() if name not in {"at_ms", "log_id"}}}
