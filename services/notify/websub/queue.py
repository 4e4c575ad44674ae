"""Work that waits for WebSub subscribers: take what is due, settle what was tried. Its moves stand in the scripts."""

import itertools
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from redis.asyncio import Redis

from services.notify.delivery.lease_loop import Taken
from services.notify.delivery.queue import ATTEMPTS_KEPT, ATTEMPTS_KEPT_FOR
from services.notify.model.delivery import Delivery, Lease
from services.notify.model.log_position import LOG_START
from services.notify.model.subscription import shard_number
from services.notify.websub.subscriptions import FeedRequest, FeedSubscription, script_keys
from shared.model.ids import DeliveryId, EventId, SubscriptionId
from shared.store.keys import Shard
from shared.store.scripts import Call, Script, run

FEED_CHANGED = "feed.changed"
"""What attempts of these deliveries are listed as."""
_AGAIN_MS = 250
_ATTEMPTS_KEPT_MS = int(ATTEMPTS_KEPT_FOR.total_seconds() * 1000)


@dataclass(frozen=True)
class FeedLease:
    """A subscription in this worker's hand: its feed may differ from what it was last sent."""

    subscription: FeedSubscription
    lease: Lease
    sent: str
    is_slow: bool


@dataclass(frozen=True)
class FeedSettlement:
    """What shall become of it after an attempt."""

    lease: FeedLease
    verdict: Literal["done", "retry", "ended"]
    wait: timedelta = timedelta(0)
    spacing: timedelta = timedelta(0)
    """In this time it is sent nothing more, whatever changes."""
    failures: int = 0
    digest: str = ""
    is_slow: bool | None = None
    attempt_line: str = ""


@dataclass(frozen=True)
class RequestLease:
    """A request in this worker's hand."""

    request: FeedRequest
    lease: Lease
    raw: str
    taken_ms: int
    is_slow: bool = False


@dataclass(frozen=True)
class RequestSettlement:
    """What shall become of a request."""

    lease: RequestLease
    verdict: Literal["subscribe", "unsubscribe", "drop", "retry"]
    wait: timedelta = timedelta(0)
    record: FeedSubscription | None = None


class _Shards:
    """Deals the room there is to the shards that have something due."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.all = tuple(shards)
        self._busy = set(shards)

    def of(self, subscription_id: SubscriptionId) -> Shard:
        return self.all[shard_number(subscription_id, len(self.all))]

    def share(self, room: int, shard: Shard) -> int:
        """Return how much of the room a shard may take; one that had nothing to do gets to show that it has."""
        if not self._busy:
            return -(-room // len(self.all))
        return -(-room // len(self._busy)) if shard in self._busy else min(room, 1)

    def note(self, shard: Shard, now_ms: int, next_ms: int) -> float | None:
        """Return in how many seconds the shard's next work is due."""
        is_busy = 0 <= next_ms <= now_ms
        (self._busy.add if is_busy else self._busy.discard)(shard)
        return None if next_ms < 0 else max(0.0, (next_ms - now_ms) / 1000)


class FeedQueue:
    """The subscriptions whose feed may have changed."""

    def __init__(self, redis: Redis, shards: Sequence[Shard], lease_for: timedelta) -> None:
        self._shards = _Shards(shards)
        self._redis = redis
        self._lease_script = Script(redis, __name__, "lease.lua", prelude="keys.lua")
        self._settle_script = Script(redis, __name__, "settle.lua", prelude="keys.lua")
        self._lease_ms = int(lease_for.total_seconds() * 1000)
        self._process = secrets.token_hex(6)
        self._count = itertools.count()

    async def turn(self, settled: Sequence[FeedSettlement], quick: int, slow: int) -> Taken[FeedLease]:
        """Settle, and take what is due for as many quick and slow attempts. Raises RedisError."""
        calls = [self._settle(one) for one in settled]
        token = f"{self._process}{next(self._count):x}"
        if quick > 0:
            calls += [self._lease(shard, token, quick, slow) for shard in self._shards.all]
        answers = (await run(self._redis, calls))[len(settled) :]
        leases: list[FeedLease] = []
        moments = []
        for shard, (now_ms, next_ms, *taken) in zip(self._shards.all, answers, strict=False):
            leases += _feed_leases(token, now_ms, taken)
            moments.append(self._shards.note(shard, now_ms, next_ms))
        return Taken(leases, min((one for one in moments if one is not None), default=None))

    def _lease(self, shard: Shard, token: str, quick: int, slow: int) -> Call:
        argument = {
            "token": token,
            "lease_ms": self._lease_ms,
            "quick": self._shards.share(quick, shard),
            "slow": self._shards.share(slow, shard),
            "again_ms": _AGAIN_MS,
        }
        return Call(self._lease_script, script_keys(shard), argument)

    def _settle(self, one: FeedSettlement) -> Call:
        subscription_id = one.lease.subscription.id
        shard = self._shards.of(subscription_id)
        argument: dict[str, object] = {
            "subscription": subscription_id,
            "token": one.lease.lease.token,
            "verdict": one.verdict,
            "wait_ms": _ms(one.wait),
            "spacing_ms": _ms(one.spacing),
            "failures": one.failures,
            "digest": one.digest,
            "attempt": one.attempt_line,
            "attempts_kept": ATTEMPTS_KEPT,
            "attempts_kept_ms": _ATTEMPTS_KEPT_MS,
        }
        if one.is_slow is not None:
            argument["is_slow"] = one.is_slow
        return Call(self._settle_script, [*script_keys(shard), shard.attempts(subscription_id)], argument)


class RequestQueue:
    """The requests that are to be seen through."""

    def __init__(self, redis: Redis, shards: Sequence[Shard], lease_for: timedelta) -> None:
        self._shards = _Shards(shards)
        self._redis = redis
        self._take_script = Script(redis, __name__, "take_requests.lua", prelude="keys.lua")
        self._settle_script = Script(redis, __name__, "settle_request.lua", prelude="keys.lua")
        self._lease_ms = int(lease_for.total_seconds() * 1000)

    async def turn(self, settled: Sequence[RequestSettlement], quick: int, _slow: int) -> Taken[RequestLease]:
        """Settle, and take as many requests as there is room for quick ones. Raises RedisError."""
        calls = [self._settle(one) for one in settled]
        if quick > 0:
            calls += [self._take(shard, quick) for shard in self._shards.all]
        answers = (await run(self._redis, calls))[len(settled) :]
        leases: list[RequestLease] = []
        moments = []
        for shard, (now_ms, next_ms, *taken) in zip(self._shards.all, answers, strict=False):
            leases += [_request_lease(raw, now_ms) for raw in taken[1::2]]
            moments.append(self._shards.note(shard, now_ms, next_ms))
        return Taken(leases, min((one for one in moments if one is not None), default=None))

    def _take(self, shard: Shard, quick: int) -> Call:
        argument = {"lease_ms": self._lease_ms, "most": self._shards.share(quick, shard)}
        return Call(self._take_script, script_keys(shard), argument)

    def _settle(self, one: RequestSettlement) -> Call:
        request = one.lease.request
        argument: dict[str, object] = {
            "subscription": request.id,
            "request": one.lease.raw,
            "verdict": one.verdict,
            "wait_ms": _ms(one.wait),
            "digest": request.digest,
        }
        if one.record is not None:
            argument |= {"record": one.record.model_dump_json(), "expires_ms": one.record.expires_ms}
        return Call(self._settle_script, script_keys(self._shards.of(request.id)), argument)


def _feed_leases(token: str, now_ms: int, taken: Sequence[Any]) -> Iterable[FeedLease]:  # Any: what a script answers
    for place in range(0, len(taken), 5):
        _, record, sent, failures, is_slow = taken[place : place + 5]
        subscription = FeedSubscription.model_validate_json(record)
        delivery = _delivery(subscription.id, now_ms, failures)
        yield FeedLease(subscription, Lease(subscription.id, delivery, token), sent, bool(is_slow))


def _request_lease(raw: str, now_ms: int) -> RequestLease:
    request = FeedRequest.model_validate_json(raw)
    lease = Lease(request.id, _delivery(request.id, now_ms, request.attempts), request.number)
    return RequestLease(request, lease, raw, now_ms)


def _delivery(subscription_id: SubscriptionId, now_ms: int, failures: int) -> Delivery:
    """Return what stands for this work where attempts are counted and listed."""
    event_id = EventId(f"feed{now_ms}")
    return Delivery(
        DeliveryId(f"{event_id}-{subscription_id}"), event_id, FEED_CHANGED, LOG_START, now_ms, attempts=failures
    )


def _ms(wait: timedelta) -> int:
    return int(wait.total_seconds() * 1000)
