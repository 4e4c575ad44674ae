"""The delivery queue: take what is due, settle what was tried. Its states and moves stand in the two scripts."""

import itertools
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from services.notify.deliveries import (
    Delivered,
    Delivery,
    Done,
    Dropped,
    HandedBack,
    Lease,
    Outcome,
    Retry,
    Settlement,
    TryAgain,
)
from services.notify.retry_policy import LONGEST_RETRY_AFTER
from services.notify.subscriptions import Subscription
from shared.ids import DeliveryId, SubscriptionId
from shared.keys import Shard

ATTEMPTS_KEPT = 100
ATTEMPTS_KEPT_FOR = timedelta(days=7)
# Failures in a row, whichever deliveries they were of: fewer are a hiccup, more would be hammering.
FAILURES_TO_OPEN = 5
# How many of the endpoints that are due next a turn names: as many as there are quick slots.
_HEADS = 64

_Script = Sequence[str | int]


@dataclass(frozen=True)
class Look:
    """An endpoint to look at for due deliveries, with what the script must know of it."""

    subscription: Subscription
    is_slow: bool
    at_once: int

    def arguments(self) -> tuple[str | int, ...]:
        one = self.subscription
        at_once = 1 if one.ordered else self.at_once
        is_active = int(one.state == "active")
        return one.id, is_active, int(one.ordered), at_once, int(self.is_slow), one.max_per_second or 0


@dataclass(frozen=True)
class ShardTurn:
    """What to do with one shard in a turn: settle, and lease from the endpoints looked at if `version` is given."""

    shard: Shard
    settlements: Sequence[Settlement] = ()
    looks: Sequence[Look] = ()
    version: int | None = None
    quick: int = 0
    slow: int = 0


@dataclass(frozen=True)
class Leased:
    """What leasing gave. `heads` are the endpoints to look at next, with their moments (ms of the store's clock)."""

    now_ms: int
    leases: tuple[Lease, ...] = ()
    heads: dict[SubscriptionId, int] = field(default_factory=dict)

    @property
    def is_stale(self) -> bool:
        """Whether the subscriptions have changed meanwhile, so that nothing was leased."""
        return self.now_ms < 0


@dataclass(frozen=True)
class Turned:
    """What a turn did in one shard."""

    leased: Leased | None
    failing_ms: dict[SubscriptionId, int]
    """For how long the endpoints whose deliveries were settled have failed everything."""


@dataclass(frozen=True)
class QueueRules:
    """
    How long things take and are kept.

    A failing endpoint's circuit is open for `open_first`, then twice as long after each probe that fails, and for
    `open_most` in the end. Dead letters are kept as long as the log: what is not there cannot be replayed.
    """

    lease_for: timedelta
    open_first: timedelta = timedelta(seconds=5)
    open_most: timedelta = timedelta(minutes=5)
    keep_dead_letters: timedelta = timedelta(days=30)

    def settling(self) -> tuple[int, ...]:
        """Return the arguments of settle.lua that are the same for every endpoint."""
        circuit = FAILURES_TO_OPEN, _ms(self.open_first), _ms(self.open_most)
        return ATTEMPTS_KEPT, _ms(ATTEMPTS_KEPT_FOR), *circuit, _ms(self.keep_dead_letters)


def _ms(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)


class DeliveryQueue:
    """Runs turns: every script of a turn, for all shards, in one round trip."""

    def __init__(self, redis: Redis, rules: QueueRules) -> None:
        self._redis = redis
        self._lease_ms = _ms(rules.lease_for)
        self._settling = rules.settling()
        # Tokens are unlike those of any other process, and unlike each other.
        self._process = secrets.token_hex(6)
        self._count = itertools.count()
        self._scripts = {name: files("services.notify").joinpath(name).read_text() for name in (_LEASE, _SETTLE)}
        self._digests: dict[str, str] = {}

    async def turn(self, turns: Sequence[ShardTurn]) -> list[Turned]:
        """Settle and lease in each of these shards. Raises RedisError; settling again after that does no harm."""
        token = f"{self._process}{next(self._count):x}"
        calls = [call for turn in turns for call in self._calls(turn, token)]
        answers = iter(await self._run(calls) if calls else [])
        return [_read(turn, token, answers) for turn in turns]

    def _calls(self, turn: ShardTurn, token: str) -> Iterable[tuple[str, list[str], _Script]]:
        shard = turn.shard
        for subscription_id, settlements in _by_subscription(turn.settlements).items():
            settle_keys = [
                *(shard.due, shard.leased(subscription_id), shard.later(subscription_id)),
                *(shard.deliveries(subscription_id), shard.attempts(subscription_id)),
                *(shard.endpoint(subscription_id), shard.dead_letters),
            ]
            arguments = [argument for one in settlements for argument in _settle_arguments(one)]
            yield _SETTLE, settle_keys, [subscription_id, *self._settling, *arguments]
        if turn.version is None:
            return
        lease_keys = [shard.due, shard.version]
        for look in turn.looks:
            lease_keys += _queue_keys(shard, look.subscription.id)
        head: list[str | int] = [turn.version, token, self._lease_ms, turn.quick, turn.slow]
        head += [_HEADS, ATTEMPTS_KEPT, _ms(ATTEMPTS_KEPT_FOR)]
        yield _LEASE, lease_keys, [*head, *(argument for look in turn.looks for argument in look.arguments())]

    async def _run(self, calls: Sequence[tuple[str, list[str], _Script]]) -> list[Any]:  # Any: what scripts answer
        """Run scripts in one round trip; redis-py's own would ask first, every time, whether the server knows them."""
        while True:
            if not self._digests:
                self._digests = {name: await self._redis.script_load(text) for name, text in self._scripts.items()}
            pipeline = self._redis.pipeline(transaction=False)
            for name, script_keys, arguments in calls:
                pipeline.evalsha(self._digests[name], len(script_keys), *script_keys, *arguments)
            try:
                return await pipeline.execute()
            except NoScriptError:
                # The server has restarted.
                self._digests = {}


_LEASE = "lease_due.lua"
_SETTLE = "settle.lua"


def _queue_keys(shard: Shard, one: SubscriptionId) -> tuple[str, ...]:
    return (
        *(shard.ready(one), shard.later(one), shard.leased(one)),
        *(shard.deliveries(one), shard.endpoint(one), shard.attempts(one)),
    )


def _by_subscription(settlements: Iterable[Settlement]) -> dict[SubscriptionId, list[Settlement]]:
    grouped: dict[SubscriptionId, list[Settlement]] = {}
    for one in settlements:
        grouped.setdefault(one.lease.subscription_id, []).append(one)
    return grouped


def _settle_arguments(one: Settlement) -> tuple[str | int, ...]:
    wait_ms = left_alone_ms = 0
    heard = _heard(one.attempt.outcome)
    match one.verdict:
        case Done():
            verdict = "done"
        case Retry(wait):
            verdict = "retry"
            wait_ms = _ms(wait)
        case Dropped():
            verdict = "dropped"
        case HandedBack():
            verdict = "returned"
    if isinstance(one.attempt.outcome, TryAgain) and one.attempt.outcome.retry_after is not None:
        left_alone_ms = _ms(min(one.attempt.outcome.retry_after, LONGEST_RETRY_AFTER))
    state = "" if verdict == "done" else one.delivery.to_json()
    attempt = one.attempt.to_json(one.delivery)
    return one.delivery.id, one.lease.token, verdict, wait_ms, state, attempt, heard, left_alone_ms


def _heard(outcome: Outcome) -> str:
    """Return whether the endpoint was heard to work or to fail; what was never sent says nothing about it."""
    if isinstance(outcome, Delivered):
        return "1"
    return "" if outcome.reason in ("expired", "interrupted") else "0"


def _read(turn: ShardTurn, token: str, answers: Any) -> Turned:  # Any: an iterator over what scripts answer
    failing_ms = {}
    for subscription_id in _by_subscription(turn.settlements):
        _, since_ms, now_ms = next(answers)
        failing_ms[subscription_id] = now_ms - since_ms if since_ms else 0
    if turn.version is None:
        return Turned(None, failing_ms)
    now_ms, leases, heads, _ = next(answers)
    return Turned(
        Leased(
            now_ms,
            tuple(
                Lease(SubscriptionId(one), Delivery.from_json(DeliveryId(delivery), state), token)
                for one, delivery, state in zip(leases[::3], leases[1::3], leases[2::3], strict=True)
            ),
            {SubscriptionId(one): int(moment) for one, moment in zip(heads[::2], heads[1::2], strict=True)},
        ),
        failing_ms,
    )
