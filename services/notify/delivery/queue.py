"""The delivery queue: lease deliveries that are due, settle attempts. Two scripts have the states and the moves."""

import itertools
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from redis.asyncio import Redis

from services.notify.model.delivery import (
    LONGEST_RETRY_AFTER,
    Burial,
    Delivery,
    DeliveryLease,
    HandBack,
    Omission,
    Outcome,
    Retry,
    Settlement,
    Success,
    TryAgain,
)
from services.notify.model.subscription import Subscription
from shared.model.clock import span_ms
from shared.model.ids import SubscriptionId
from shared.store.keys import Shard, delivery_tally
from shared.store.scripts import Script, ScriptCall, lua_places, run_scripts

ATTEMPTS_KEPT = 100
ATTEMPTS_KEPT_FOR = timedelta(days=7)
# Failures in a row, of any deliveries of the endpoint, before its circuit opens.
FAILURES_TO_OPEN = 5
# How many of the endpoints that are due next a turn returns: one for each quick slot.
_HEADS = 64


@dataclass(frozen=True)
class EndpointQuery:
    """An endpoint that deliveries may be leased from, with what lease_due.lua must know of it."""

    subscription: Subscription
    is_slow: bool
    at_once: int

    def to_json(self) -> tuple[str | int, ...]:
        """Return the query as lease_due.lua reads it."""
        one = self.subscription
        at_once = 1 if one.ordered else self.at_once
        return one.id, one.state == "active", one.ordered, at_once, self.is_slow, one.max_per_second or 0


@dataclass(frozen=True)
class ShardTurn:
    """What to do with one shard in a turn: settle; and lease, if the mirror's `version` is given."""

    shard: Shard
    settlements: Sequence[Settlement] = ()
    queries: Sequence[EndpointQuery] = ()
    version: int | None = None
    quick: int = 0
    slow: int = 0
    each: int = 1000
    """The most that one endpoint gets in this turn."""


@dataclass(frozen=True)
class TurnResult:
    """
    What a turn did in one shard.

    `leased_ms` is when it leased, by the store's clock; 0 if it did not. `heads` are the endpoints that are due
    next, with the moment (ms) when they are.
    """

    failing_ms: Mapping[SubscriptionId, int]
    """How long each endpoint that was settled has failed everything."""
    leased_ms: int = 0
    leases: Sequence[DeliveryLease] = ()
    heads: Mapping[SubscriptionId, int] = field(default_factory=dict)

    @property
    def is_stale(self) -> bool:
        """Whether the subscriptions have changed meanwhile, so that nothing was leased."""
        return self.leased_ms < 0


@dataclass(frozen=True)
class QueueRules:
    """
    Durations of the queue.

    A failing endpoint's circuit is open for `open_first`, twice as long after each failed probe, and `open_most` at
    most. Dead letters are kept as long as the log, because a replay needs the event in the log.
    """

    lease_for: timedelta
    open_first: timedelta = timedelta(seconds=5)
    open_most: timedelta = timedelta(minutes=5)
    keep_dead_letters: timedelta = timedelta(days=30)

    def settling(self) -> Mapping[str, int]:
        """Return the arguments of settle.lua that are the same for every shard."""
        return {
            "attempts_kept": ATTEMPTS_KEPT,
            "attempts_kept_ms": span_ms(ATTEMPTS_KEPT_FOR),
            "failures_to_open": FAILURES_TO_OPEN,
            "open_first_ms": span_ms(self.open_first),
            "open_most_ms": span_ms(self.open_most),
            "dead_letters_kept_ms": span_ms(self.keep_dead_letters),
        }


class DeliveryQueue:
    """Runs turns: every script of a turn, for all shards, in one round trip."""

    def __init__(self, redis: Redis, rules: QueueRules) -> None:
        self._lease_ms = span_ms(rules.lease_for)
        self._settling = rules.settling()
        # Tokens are unlike those of any other process, and unlike each other.
        self._process = secrets.token_hex(6)
        self._count = itertools.count()
        self._redis = redis
        self._lease_script = Script(redis, __name__, "lease_due.lua")
        self._settle_script = Script(redis, __name__, "settle.lua")

    async def turn(self, turns: Sequence[ShardTurn]) -> list[TurnResult]:
        """Settle and lease in these shards. Raises RedisError; settling is idempotent, so the caller may repeat it."""
        token = f"{self._process}{next(self._count):x}"
        calls = [call for turn in turns for call in self._calls(turn, token)]
        answers = iter(await run_scripts(self._redis, calls))
        return [_read(turn, token, answers) for turn in turns]

    def _calls(self, turn: ShardTurn, token: str) -> Iterable[ScriptCall]:
        if turn.settlements:
            yield self._settle(turn.shard, turn.settlements)
        if turn.version is not None:
            yield self._lease(turn, turn.version, token)

    def _settle(self, shard: Shard, settlements: Sequence[Settlement]) -> ScriptCall:
        endpoints = lua_places(one.lease.endpoint for one in settlements)
        tallies = lua_places(tally for one in settlements if (tally := _tally(shard, one)))
        settle_keys = [shard.due, shard.dead_letters]
        for one in endpoints:
            settle_keys += [shard.leased(one), shard.later(one), shard.deliveries(one)]
            settle_keys += [shard.attempts(one), shard.endpoint(one)]
        told = [
            (endpoints[one.lease.endpoint], tallies.get(_tally(shard, one), 0), *_settle_arguments(one))
            for one in settlements
        ]
        argument = {**self._settling, "subscriptions": list(endpoints), "settlements": told}
        return ScriptCall(self._settle_script, [*settle_keys, *tallies], argument)

    def _lease(self, turn: ShardTurn, version: int, token: str) -> ScriptCall:
        shard = turn.shard
        lease_keys = [shard.due, shard.version]
        for query in turn.queries:
            one = query.subscription.id
            lease_keys += [shard.ready(one), shard.later(one), shard.leased(one)]
            lease_keys += [shard.deliveries(one), shard.endpoint(one), shard.attempts(one)]
        argument = {
            "version": version,
            "token": token,
            "lease_ms": self._lease_ms,
            "quick": turn.quick,
            "slow": turn.slow,
            "each": turn.each,
            "heads": _HEADS,
            "attempts_kept": ATTEMPTS_KEPT,
            "attempts_kept_ms": span_ms(ATTEMPTS_KEPT_FOR),
            "endpoints": [query.to_json() for query in turn.queries],
        }
        return ScriptCall(self._lease_script, lease_keys, argument)


def _tally(shard: Shard, one: Settlement) -> str:
    delivery = one.lease.delivery
    return delivery_tally(shard, delivery.event_id) if delivery.is_counted else ""


def _settle_arguments(one: Settlement) -> tuple[str | int, ...]:
    """Return a settlement as settle.lua reads it, without the two places at its beginning."""
    wait_ms = left_alone_ms = 0
    health = _health(one.attempt.outcome)
    match one.verdict:
        case Success():
            verdict = "done"
        case Retry(wait):
            verdict = "retry"
            wait_ms = span_ms(wait)
        case Burial():
            verdict = "dropped"
        case Omission():
            verdict = "forgotten"
        case HandBack():
            verdict = "returned"
    if isinstance(one.attempt.outcome, TryAgain) and one.attempt.outcome.retry_after is not None:
        left_alone_ms = span_ms(min(one.attempt.outcome.retry_after, LONGEST_RETRY_AFTER))
    state = "" if verdict == "done" else one.delivery.to_json()
    delivery = one.delivery
    attempt = one.attempt.to_json(delivery.id, delivery.event_id, delivery.event_type, delivery.log_id, delivery.left)
    return one.delivery.id, one.lease.token, verdict, wait_ms, state, attempt, health, left_alone_ms


def _health(outcome: Outcome) -> str:
    """Return what the outcome says of the endpoint: works, fails, or '' where nothing was sent."""
    if isinstance(outcome, Success):
        return "1"
    return "" if outcome.reason in ("expired", "interrupted") else "0"


def _read(turn: ShardTurn, token: str, answers: Any) -> TurnResult:  # Any: an iterator over what scripts answer
    failing_ms = {}
    if turn.settlements:
        now_ms, *since = next(answers)
        endpoints = lua_places(one.lease.endpoint for one in turn.settlements)
        failing_ms = {one: now_ms - since_ms if since_ms else 0 for one, since_ms in zip(endpoints, since, strict=True)}
    if turn.version is None:
        return TurnResult(failing_ms)
    leased_ms, leased, heads = next(answers)
    subscriptions = {query.subscription.id: query.subscription for query in turn.queries}
    leases = []
    for endpoint, delivery_id, state in zip(leased[::3], leased[1::3], leased[2::3], strict=True):
        delivery, subscription = Delivery.from_json(delivery_id, state), subscriptions[endpoint]
        lease = DeliveryLease(endpoint, token, delivery.attempts, leased_ms, delivery, subscription, turn.shard)
        leases.append(lease)
    due = {SubscriptionId(one): int(moment) for one, moment in zip(heads[::2], heads[1::2], strict=True)}
    return TurnResult(failing_ms, leased_ms, leases, due)
