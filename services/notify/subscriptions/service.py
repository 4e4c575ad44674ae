"""Make, change, pause, resume, test and end subscriptions."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from redis.asyncio import Redis

from services.notify.channels.base import AnyChannel
from services.notify.channels.signing import new_secret
from services.notify.log.event_log import EventLog, LogNoLongerReaches
from services.notify.model.delivery import Delivery
from services.notify.model.log_position import LOG_START, Cursor, is_before
from services.notify.model.subscription import ENDPOINT_DISABLED, PING, SealedSecret, State, Subscription
from services.notify.subscriptions.requests import ResumeRequest, RotateRequest, SubscriptionPatch, SubscriptionRequest
from services.notify.subscriptions.secret_box import SecretBox
from services.notify.subscriptions.store import SubscriptionStore
from shared.http.api_keys import ApiKey
from shared.model.clock import store_now, to_ms
from shared.model.errors import Conflict, Forbidden, NotFound
from shared.model.events import webhook_body
from shared.model.ids import DeliveryId, EventId, LogId, SubscriptionId, delivery_id, new_subscription_id, new_trace_id

Enqueue = Callable[[SubscriptionId, Delivery], Awaitable[None]]

DISABLED_AFTER = timedelta(days=5)


@dataclass(frozen=True)
class NewSecret:
    """A subscription with its new secret, which is shown only once."""

    subscription: Subscription
    secret: str


class SubscriptionService:
    """What subscribers may do. An API key sees its own subscriptions; an admin's key sees all."""

    def __init__(
        self,
        redis: Redis,
        store: SubscriptionStore,
        event_log: EventLog,
        secret_box: SecretBox,
        enqueue: Enqueue,
        *,
        channels: Mapping[str, AnyChannel],
    ) -> None:
        self._redis = redis
        self._store = store
        self._event_log = event_log
        self._secret_box = secret_box
        self._enqueue = enqueue
        self._channels = channels

    async def subscribe(self, request: SubscriptionRequest, key: ApiKey) -> NewSecret:
        """Make a subscription. Every event that is announced after this returns is for it."""
        _refuse_notices(request, key)
        subscription_id = new_subscription_id()
        secret = request.secret or new_secret()
        now = await store_now(self._redis)
        subscription = Subscription(
            id=subscription_id,
            owner=key.name,
            filter=request.filter,
            **request.model_dump(include={"kind", "ordered", "max_per_second", "description", "contact"}),
            secrets=(SealedSecret(sealed=self._secret_box.seal(secret, subscription_id)),),
            created_at=now,
            since=await self._event_log.newest(),
            state_since=now,
            **self._channels[request.kind].record_of(request, partial(self._secret_box.seal, owner=subscription_id)),
        )
        await self._store.add(subscription)
        if request.ping:
            await self._ping(subscription)
        return NewSecret(subscription, secret)

    async def find(self, subscription_id: SubscriptionId, key: ApiKey) -> Subscription:
        """Return the subscription. Raises NotFound, also for a subscription of another key."""
        subscription = await self._store.find(subscription_id)
        if not key.is_admin and subscription.owner != key.name:
            raise NotFound(f'there is no subscription "{subscription_id}"')
        return subscription

    async def list(self, key: ApiKey) -> "list[Subscription]":
        """Return every subscription that the key may see, the oldest first."""
        seen = [
            one
            for mirror in self._store.mirrors
            for one in (await self._store.refresh(mirror)).subscriptions.values()
            if key.is_admin or one.owner == key.name
        ]
        return sorted(seen, key=lambda one: (one.created_at, one.id))

    async def change(self, subscription_id: SubscriptionId, patch: SubscriptionPatch, key: ApiKey) -> Subscription:
        """Change the fields that the patch names. A new filter holds for events that are announced afterwards."""
        channel = self.channel_of(await self.find(subscription_id, key))
        _refuse_notices(patch, key)
        own = patch.model_fields_set & channel.target.model_fields.keys()
        update = {name: getattr(patch, name) for name in patch.model_fields_set - own}

        def changed(before: Subscription, _: Cursor) -> Subscription:
            if not own:
                return before.model_copy(update=update)
            target = channel.target_of(before, partial(self._secret_box.open, owner=subscription_id))
            target = target.model_copy(update={name: getattr(patch, name) for name in own})
            record = channel.record_of(target, partial(self._secret_box.seal, owner=subscription_id))
            return before.model_copy(update=update | record)

        return await self._store.change(subscription_id, changed)

    def channel_of(self, subscription: Subscription) -> AnyChannel:
        """Return the channel of the subscription. Raises Conflict for a channel that only another release has."""
        channel = self._channels.get(subscription.kind)
        if channel is None:
            raise Conflict(f'this release has no channel "{subscription.kind}"')
        return channel

    async def delete(self, subscription_id: SubscriptionId, key: ApiKey) -> None:
        """End the subscription, with its queue."""
        await self.find(subscription_id, key)
        await self._store.delete(subscription_id)

    async def pause(self, subscription_id: SubscriptionId, key: ApiKey) -> Subscription:
        """Stop sending and enqueueing; the place in the log is kept."""
        await self.find(subscription_id, key)
        return await self._stop(subscription_id, "paused", "paused by its owner")

    async def pause_for(self, subscription_id: SubscriptionId, reason: str) -> None:
        """Pause for the delivery engine; a subscription that was deleted meanwhile is ignored."""
        await self._stop_unless_gone(subscription_id, "paused", reason)

    async def disable(self, subscription_id: SubscriptionId, reason: str) -> None:
        """Disable for the delivery engine, and have operators told; a deleted subscription is ignored."""
        await self._stop_unless_gone(subscription_id, "disabled", reason)

    async def on_failing(self, subscription_id: SubscriptionId, failing_ms: int) -> None:
        """Disable an endpoint that has failed everything for days."""
        if timedelta(milliseconds=failing_ms) >= DISABLED_AFTER:
            await self.disable(subscription_id, f"the endpoint failed everything for {DISABLED_AFTER.days} days")

    async def resume(self, subscription_id: SubscriptionId, request: ResumeRequest, key: ApiKey) -> Subscription:
        """
        Make the subscription active; what it missed is enqueued first, from its place in the log.

        Raises LogNoLongerReaches when the log no longer reaches back to that place; `after` may name another place.
        """
        await self.find(subscription_id, key)
        now = await store_now(self._redis)
        trimmed = await self._event_log.trimmed()

        def resumed(before: Subscription, cursor: Cursor) -> Subscription:
            if before.state == "active":
                return before
            place = LogId(request.after) if request.after else before.resume_from or cursor.passed
            if is_before(place, trimmed):
                raise LogNoLongerReaches(f"the log no longer reaches back to {place}", trimmed)
            update = {"state": "active", "state_since": now, "state_reason": None, "resume_from": place}
            return before.model_copy(update={**update, "notice_due": False})

        shard = self._store.shard_of(subscription_id)
        # This restarts the count of failing days and closes the circuit.
        await self._redis.delete(shard.endpoint(subscription_id))
        return await self._store.change(subscription_id, resumed)

    async def rotate_secret(self, subscription_id: SubscriptionId, request: RotateRequest, key: ApiKey) -> NewSecret:
        """Add a new secret; the old secrets sign beside it for as long as the request says."""
        await self.find(subscription_id, key)
        now = await store_now(self._redis)
        secret = request.secret or new_secret()
        fresh = SealedSecret(sealed=self._secret_box.seal(secret, subscription_id))
        ends = now + timedelta(hours=request.keep_old_for_hours)

        def rotated(before: Subscription, _: Cursor) -> Subscription:
            old = [_ending(one, ends) for one in before.secrets]
            kept = [one for one in old if one.expires_at is not None and one.expires_at > now]
            return before.model_copy(update={"secrets": (fresh, *kept)})

        return NewSecret(await self._store.change(subscription_id, rotated), secret)

    async def ping(self, subscription_id: SubscriptionId, key: ApiKey) -> DeliveryId:
        """Enqueue one test delivery and return its id. Raises Conflict while nothing is sent."""
        return await self._ping(await self.find(subscription_id, key))

    async def _ping(self, subscription: Subscription) -> DeliveryId:
        if subscription.state != "active":
            raise Conflict(f"{subscription.id} is {subscription.state}: resume it first")
        now = await store_now(self._redis)
        event_id = EventId(f"ping{new_trace_id()[:16]}")
        body = webhook_body(PING, now, {"event_id": event_id, "subscription_id": subscription.id})
        one = Delivery(delivery_id(event_id, subscription.id), event_id, PING, LOG_START, to_ms(now), body=body)
        await self._enqueue(subscription.id, one)
        return one.id

    async def _stop_unless_gone(self, subscription_id: SubscriptionId, state: State, reason: str) -> None:
        with contextlib.suppress(NotFound):
            await self._stop(subscription_id, state, reason)

    async def _stop(self, subscription_id: SubscriptionId, state: State, reason: str) -> Subscription:
        now = await store_now(self._redis)

        def stopped(before: Subscription, cursor: Cursor) -> Subscription:
            if before.state != "active":
                return before
            # A subscription that was still catching up has a place of its own.
            place = before.resume_from or cursor.place_of(subscription_id)
            update = {"state": state, "state_since": now, "state_reason": reason, "resume_from": place}
            return before.model_copy(update={**update, "notice_due": state == "disabled"})

        return await self._store.change(subscription_id, stopped)


def _refuse_notices(request: SubscriptionPatch | SubscriptionRequest, key: ApiKey) -> None:
    if ENDPOINT_DISABLED in request.filter.types and not key.is_admin:
        raise Forbidden(f"{ENDPOINT_DISABLED} tells of everybody's endpoints: it takes a key with the scope admin")


def _ending(secret: SealedSecret, ends: datetime) -> SealedSecret:
    """Return the secret with `ends` as its end, unless it ends sooner."""
    if secret.expires_at is not None and secret.expires_at <= ends:
        return secret
    return secret.model_copy(update={"expires_at": ends})
