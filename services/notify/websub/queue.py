"""What the lease loop works for WebSub: feeds to send, and requests to verify. The scripts have the steps."""

import itertools
import math
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Generic, Literal, TypeVar

from redis.asyncio import Redis

from services.notify.delivery.concurrency import AttemptSlots
from services.notify.delivery.lease_loop import POLL_SECONDS
from services.notify.delivery.queue import ATTEMPTS_KEPT, ATTEMPTS_KEPT_FOR
from services.notify.model.delivery import Lease
from services.notify.model.subscription import shard_number
from services.notify.websub.subscriptions import FeedRequest, FeedSubscription, script_keys
from shared.model.clock import span_ms
from shared.model.ids import SubscriptionId
from shared.store.keys import Shard
from shared.store.scripts import Script, ScriptCall, run_scripts

# A slow subscription for which there is no slot is looked at again after this time.
_AGAIN_MS = 250
_ATTEMPTS_KEPT_MS = span_ms(ATTEMPTS_KEPT_FOR)


@dataclass(frozen=True)
class FeedLease(Lease):
    """A leased subscription: its feed may differ from what it was last sent, whose digest is `sent`."""

    subscription: FeedSubscription
    sent: str


@dataclass(frozen=True)
class FeedSettlement:
    """What shall become of a leased subscription after an attempt."""

    lease: FeedLease
    verdict: Literal["done", "retry", "ended"]
    wait: timedelta = timedelta(0)
    spacing: timedelta = timedelta(0)
    """For this time the subscriber is sent nothing more, whatever changes."""
    failures: int = 0
    digest: str = ""
    is_slow: bool | None = None
    attempt_line: str = ""


@dataclass(frozen=True)
class RequestLease(Lease):
    """A leased request. Its token is its record, which counts the attempts."""

    request: FeedRequest


@dataclass(frozen=True)
class RequestSettlement:
    """What shall become of a leased request after its callback was asked."""

    lease: RequestLease
    verdict: Literal["subscribe", "unsubscribe", "drop", "retry"]
    wait: timedelta = timedelta(0)
    record: FeedSubscription | None = None


_LeaseT = TypeVar("_LeaseT", bound=Lease)
_Answer = Sequence[Any]  # Any: what a script answers
_SettlementT = TypeVar("_SettlementT", FeedSettlement, RequestSettlement)


class _ShardedQueue(ABC, Generic[_LeaseT, _SettlementT]):
    """A queue in each shard. Shards that have work due share the free slots."""

    lua_files: ClassVar[tuple[str, str]]
    """The scripts that lease and that settle."""

    def __init__(self, redis: Redis, shards: Sequence[Shard], lease_for: timedelta) -> None:
        self._redis = redis
        self._lease_script, self._settle_script = (
            Script(redis, __name__, name, prelude="keys.lua") for name in self.lua_files
        )
        self._shards = tuple(shards)
        self._busy = set(shards)
        self._lease_ms = span_ms(lease_for)
        self._next = 0.0
        # Tokens are unlike those of any other process, and unlike each other.
        self._process = secrets.token_hex(6)
        self._count = itertools.count()

    def ring(self) -> None:
        """Lease in the next turn."""
        self._next = 0.0

    def next_turn(self, now: float, slots: AttemptSlots) -> float:  # noqa: ARG002 - the loop's shape
        """Return when work is due (monotonic); without a free slot an attempt that ends rings."""
        return self._next if slots.free_quick > 0 else math.inf

    async def turn(self, settlements: Sequence[_SettlementT], slots: AttemptSlots) -> Sequence[_LeaseT]:
        """Settle, and lease what is due as far as there are slots. Raises RedisError."""
        if self._next > time.monotonic() or slots.free_quick <= 0:
            await self.settle(settlements)
            return ()
        token = f"{self._process}{next(self._count):x}"
        calls = [self._settle(one, self._shard_of(one.lease.endpoint)) for one in settlements]
        calls += [self._lease(shard, token, slots) for shard in self._shards]
        answers = (await run_scripts(self._redis, calls))[len(settlements) :]
        leases: list[_LeaseT] = []
        next_in = POLL_SECONDS
        for shard, (now_ms, next_ms, *leased) in zip(self._shards, answers, strict=True):
            leases += self._read(leased, token, now_ms, slots)
            (self._busy.add if 0 <= next_ms <= now_ms else self._busy.discard)(shard)
            next_in = min(next_in, max(0.0, (next_ms - now_ms) / 1000) if next_ms >= 0 else POLL_SECONDS)
        self._next = time.monotonic() + next_in
        return leases

    async def settle(self, settlements: Sequence[_SettlementT]) -> None:
        """Settle only. Raises RedisError."""
        if settlements:
            await run_scripts(
                self._redis, [self._settle(one, self._shard_of(one.lease.endpoint)) for one in settlements]
            )

    @abstractmethod
    def _lease(self, shard: Shard, token: str, slots: AttemptSlots) -> ScriptCall: ...

    @abstractmethod
    def _settle(self, one: _SettlementT, shard: Shard) -> ScriptCall: ...

    @abstractmethod
    def _read(self, leased: _Answer, token: str, now_ms: int, slots: AttemptSlots) -> Iterable[_LeaseT]: ...

    def _shard_of(self, endpoint: SubscriptionId) -> Shard:
        return self._shards[shard_number(endpoint, len(self._shards))]

    def _share(self, free: int, shard: Shard) -> int:
        """Return how many of the free slots a shard may use; one that had nothing due gets one, to show that it has."""
        if not self._busy:
            return -(-free // len(self._shards))
        return -(-free // len(self._busy)) if shard in self._busy else min(free, 1)


class FeedQueue(_ShardedQueue[FeedLease, FeedSettlement]):
    """The subscriptions whose feed may have changed."""

    lua_files = ("lease_feeds.lua", "settle_feed.lua")

    def _lease(self, shard: Shard, token: str, slots: AttemptSlots) -> ScriptCall:
        argument = {
            "token": token,
            "lease_ms": self._lease_ms,
            "quick": self._share(slots.free_quick, shard),
            "slow": self._share(slots.free_slow, shard),
            "again_ms": _AGAIN_MS,
        }
        return ScriptCall(self._lease_script, script_keys(shard), argument)

    def _settle(self, one: FeedSettlement, shard: Shard) -> ScriptCall:
        argument: dict[str, object] = {
            "subscription": one.lease.endpoint,
            "token": one.lease.token,
            "verdict": one.verdict,
            "wait_ms": span_ms(one.wait),
            "spacing_ms": span_ms(one.spacing),
            "failures": one.failures,
            "digest": one.digest,
            "attempt": one.attempt_line,
            "attempts_kept": ATTEMPTS_KEPT,
            "attempts_kept_ms": _ATTEMPTS_KEPT_MS,
        }
        if one.is_slow is not None:
            argument["is_slow"] = one.is_slow
        return ScriptCall(self._settle_script, [*script_keys(shard), shard.attempts(one.lease.endpoint)], argument)

    def _read(self, leased: _Answer, token: str, now_ms: int, slots: AttemptSlots) -> Iterable[FeedLease]:
        for place in range(0, len(leased), 5):
            _, record, sent, failures, is_slow = leased[place : place + 5]
            subscription = FeedSubscription.model_validate_json(record)
            if is_slow:
                slots.remember_slow(subscription.id)
            yield FeedLease(subscription.id, token, failures, now_ms, subscription, sent)


class RequestQueue(_ShardedQueue[RequestLease, RequestSettlement]):
    """The requests whose callbacks are to be asked."""

    lua_files = ("lease_requests.lua", "settle_request.lua")

    def _lease(self, shard: Shard, token: str, slots: AttemptSlots) -> ScriptCall:  # noqa: ARG002 - a request is its own token
        argument = {"lease_ms": self._lease_ms, "most": self._share(slots.free_quick, shard)}
        return ScriptCall(self._lease_script, script_keys(shard), argument)

    def _settle(self, one: RequestSettlement, shard: Shard) -> ScriptCall:
        argument: dict[str, object] = {
            "subscription": one.lease.endpoint,
            "request": one.lease.token,
            "verdict": one.verdict,
            "wait_ms": span_ms(one.wait),
            "digest": one.lease.request.digest,
        }
        if one.record is not None:
            argument |= {"record": one.record.model_dump_json(), "expires_ms": one.record.expires_ms}
        return ScriptCall(self._settle_script, script_keys(shard), argument)

    def _read(self, leased: _Answer, token: str, now_ms: int, slots: AttemptSlots) -> Iterable[RequestLease]:  # noqa: ARG002
        for raw in leased[1::2]:
            request = FeedRequest.model_validate_json(raw)
            yield RequestLease(request.id, raw, request.attempts, now_ms, request)
