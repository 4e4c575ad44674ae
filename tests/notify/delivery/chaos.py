"""Run notify as processes, kill and freeze them and the store, and count at the endpoint what came of it."""

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from pydantic import SecretStr
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError
from redis.typing import EncodableT

from services.dev.embedded_store import EmbeddedRedis, embedded_redis
from services.notify.channels.signing import new_secret
from services.notify.model.subscription import SealedSecret
from services.notify.subscriptions.secret_box import SecretBox
from services.notify.subscriptions.store import SubscriptionStore, settle_shard_count
from shared.model.ids import SubscriptionId
from shared.store import keys
from shared.store.keys import Shard
from shared.store.redis_client import connect
from tests.factories import ADMIN_KEY, SECRETS_KEY
from tests.notify.delivery.sink import Reply, a_sink
from tests.notify.factories import a_subscription, an_event, announce
from tests.waiting import eventually

ROOT = Path(__file__).parents[3]
_ATTEMPT_TIMEOUT = timedelta(seconds=3)
# The engine's leases outlast its attempts by 5 s; a worker frozen for longer wakes up without them.
_FROZEN_SECONDS = 9.0
SHARDS = 4


@dataclass(frozen=True)
class Plan:
    """How much is delivered, and what happens meanwhile."""

    endpoints: int
    ordered: int
    events: int
    kills: int
    freezes: int
    store_restarts: int
    seed: int

    @property
    def deliveries(self) -> int:
        return self.endpoints * self.events


@dataclass
class Ledger:
    """What the endpoints saw, request by request."""

    pick: random.Random
    requests: "defaultdict[str, list[str]]" = field(default_factory=lambda: defaultdict(list))
    """Path of an endpoint to the webhook-ids that came, in the order of arrival."""
    taken: "Counter[str]" = field(default_factory=Counter)
    """How often each webhook-id was answered 200."""
    refused: int = 0
    unheard: set[str] = field(default_factory=set)
    """
    What may have been answered unheard: what was in some worker's hand when one was killed or frozen, and
    what a worker says of itself that it got no answer to in time.
    """

    def answer(self, path: str, webhook_id: str) -> Reply:
        self.requests[path].append(webhook_id)
        after = self.pick.random() * 0.03
        if self.pick.random() < 0.03:
            self.refused += 1
            return Reply(503, after)
        self.taken[webhook_id] += 1
        return Reply(200, after)

    @property
    def repeated(self) -> set[str]:
        return {webhook_id for webhook_id, times in self.taken.items() if times > 1}

    @property
    def repeated_without_reason(self) -> set[str]:
        return self.repeated - self.unheard

    def out_of_order(self, path: str, expected: list[str]) -> list[tuple[str, str]]:
        """
        Return the neighbours that came first in another order than announced, repetitions left out.

        A request that was cut off or frozen half way may arrive after those that followed its repetition; who knows its
        id has had it already.
        """
        place = {webhook_id: number for number, webhook_id in enumerate(expected)}
        first = list(dict.fromkeys(self.requests[path]))
        return [(before, after) for before, after in pairwise(first) if place[after] != place[before] + 1]


@dataclass(frozen=True)
class Outcome:
    """What is left to look at when everything was delivered, or patience was over."""

    plan: Plan
    ledger: Ledger
    expected: set[str]
    unsettled: int
    dead_letters: int
    disorder: list[tuple[str, str]]

    @property
    def lost(self) -> set[str]:
        return self.expected - set(self.ledger.taken)

    @property
    def strangers(self) -> set[str]:
        """Return ids under which nothing should have come: a repetition under another id would be one."""
        return set(self.ledger.taken) - self.expected

    def __str__(self) -> str:
        ledger = self.ledger
        return (
            f"{self.plan.deliveries} deliveries, {self.plan.kills} kills, {self.plan.freezes} freezes, "
            f"{self.plan.store_restarts} restarts of the store: lost {len(self.lost)}, "
            f"repeated {len(ledger.repeated)} (of {len(ledger.unheard)} whose answer may not have been heard), "
            f"repeated without reason {len(ledger.repeated_without_reason)}, under another id {len(self.strangers)}, "
            f"out of order {len(self.disorder)}, answered 503 {ledger.refused}"
        )


class Replicas:
    """Two notify processes that are killed, frozen and started again."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._environment = environment
        self._log = log
        self._processes: list[asyncio.subprocess.Process] = []

    @asynccontextmanager
    async def running(self, count: int) -> AsyncIterator[None]:
        try:
            self._processes = [await self._start() for _ in range(count)]
            yield
        finally:
            for process in self._processes:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    async def kill(self, number: int) -> None:
        self._processes[number].kill()
        await self._processes[number].wait()

    async def stop(self, number: int, with_signal: signal.Signals) -> int:
        """Ask the process to end, and return its exit code."""
        self._processes[number].send_signal(with_signal)
        return await self._processes[number].wait()

    async def restart(self, number: int) -> None:
        self._processes[number] = await self._start()

    def freeze(self, number: int) -> None:
        self._processes[number].send_signal(signal.SIGSTOP)

    def thaw(self, number: int) -> None:
        self._processes[number].send_signal(signal.SIGCONT)

    async def _start(self) -> asyncio.subprocess.Process:
        """Start one and wait until it works: one whose store is away ends, and nobody here would start it again."""
        with self._log.open("ab") as log:
            before = log.tell()
            process = await self._spawned(log)
        await eventually(lambda: b"service.started" in self._log.read_bytes()[before:], "the start of a replica")
        return process

    async def _spawned(self, log: BinaryIO) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.notify"),
            cwd=ROOT,
            env=self._environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=log,
        )


async def wreak(plan: Plan, folder: Path, patience: timedelta) -> Outcome:
    """Deliver by the plan while things are killed, and return what came of it."""
    pick = random.Random(plan.seed)
    ledger = Ledger(pick)
    with embedded_redis(folder / "store") as server:
        async with aclosing(connect(server.url)) as redis, a_sink(ledger.answer) as url:
            names = await subscribe(redis, plan, url)
            replicas = Replicas(environment(server.url), folder / "notify.log")
            async with replicas.running(2):
                announcer = Announcer(redis, [f"e{number:05}" for number in range(plan.events)])
                announcing = asyncio.create_task(announcer.announce_all())
                await _havoc(plan, replicas, server, announcer, ledger)
                event_ids = await announcing
                expected = {f"{event}-{name}" for event in event_ids for name in names}
                await _until_settled(redis, ledger, expected, patience)
            ledger.unheard |= _not_answered(folder / "notify.log")
            return await _outcome(plan, redis, ledger, names, event_ids)


async def frozen_worker_wakes(folder: Path) -> list[tuple[str, int]]:
    """
    Freeze the worker that has a delivery in hand until its lease is over and another worker's attempt is in the air.

    Then let both answers arrive: 200 for the one that was frozen, 503 for the other. Return what came at the endpoint
    under which webhook-id, and how it was answered.
    """
    heard: list[tuple[str, int]] = []
    answers = iter([Reply(200, _FROZEN_SECONDS), Reply(503, 1), Reply(200)])

    def answer(_: str, webhook_id: str) -> Reply:
        reply = next(answers)
        heard.append((webhook_id, reply.status))
        return reply

    with embedded_redis(folder / "store") as server:
        async with aclosing(connect(server.url)) as redis, a_sink(answer) as url:
            await subscribe(redis, Plan(1, 1, 1, 0, 0, 0, 0), url)
            replicas, other = (Replicas(environment(server.url), folder / f"{name}.log") for name in ("first", "other"))
            async with replicas.running(1):
                await announce(redis, an_event("e"))
                await eventually(lambda: len(heard) == 1, seconds=30)
                replicas.freeze(0)
                async with other.running(1):
                    await eventually(lambda: len(heard) == 2, seconds=30)
                    replicas.thaw(0)
                    await eventually(lambda: len(heard) == 3, seconds=30)
    return heard


def environment(redis_url: str) -> dict[str, str]:
    """Return the settings of a notify process over this store."""
    return {
        **os.environ,
        "CLARION_REDIS_URL": redis_url,
        "CLARION_PORT": "0",
        "CLARION_SECRETS_KEY": SECRETS_KEY,
        "CLARION_BOOTSTRAP_KEY": ADMIN_KEY,
        "CLARION_EGRESS_ALLOW": "127.0.0.0/8",
        "CLARION_RETRY_SCHEDULE": ",".join(["0.2"] * 40),
        "CLARION_ATTEMPT_TIMEOUT": str(_ATTEMPT_TIMEOUT.total_seconds()),
        "CLARION_CLAIM_AFTER": "1",
        "CLARION_SHARDS": str(SHARDS),
    }


async def subscribe(redis: Redis, plan: Plan, url: str) -> list[str]:
    """Make the subscriptions, the ordered ones first, and return their ids."""
    box = SecretBox(SecretStr(SECRETS_KEY))
    store = SubscriptionStore(redis, await settle_shard_count(redis, SHARDS))
    names = [f"sub{number:03}" for number in range(plan.endpoints)]
    for number, name in enumerate(names):
        secret = SealedSecret(sealed=box.seal(new_secret(), name))
        is_ordered = number < plan.ordered
        await store.add(a_subscription(name, url=f"{url}/{name}", ordered=is_ordered, secrets=(secret,)))
    return names


class Announcer:
    """Announces events, a share of them for each thing that happens, so that there is work all along."""

    def __init__(self, redis: Redis, event_ids: list[str]) -> None:
        self.redis = redis
        self._event_ids = event_ids
        # An hour ago: what the log has forgotten cannot be delivered.
        self._began_ms = int((time.time() - 3600) * 1000)
        self._released = 0.0
        self._bell = asyncio.Event()

    def release(self, share: float) -> None:
        self._released += share * len(self._event_ids)
        self._bell.set()

    async def announce_all(self) -> list[str]:
        for number, event_id in enumerate(self._event_ids):
            while number >= self._released - 0.5:
                self._bell.clear()
                await self._bell.wait()
            await self._announce(number, event_id)
            await asyncio.sleep(0.01)
        return self._event_ids

    async def _announce(self, number: int, event_id: str) -> None:
        fields: dict[EncodableT, EncodableT] = dict(an_event(event_id).to_fields().items())
        while True:
            try:
                # A place of its own: an announcement whose reply was lost must not be written twice.
                await self.redis.xadd(keys.PAGES_STREAM, fields, id=f"{self._began_ms + number}-0")
            except ResponseError:
                return  # it is there
            except (RedisError, OSError):
                await asyncio.sleep(0.05)
            else:
                return


async def _havoc(plan: Plan, replicas: Replicas, server: EmbeddedRedis, announcer: Announcer, ledger: Ledger) -> None:
    """Do what the plan says, in an order and at moments that its seed decides."""
    pick = random.Random(plan.seed + 1)
    acts = ["kill"] * plan.kills + ["freeze"] * plan.freezes + ["store"] * plan.store_restarts
    pick.shuffle(acts)
    for act in acts:
        # At work again: something arrives.
        seen = sum(ledger.taken.values())
        announcer.release(1 / (len(acts) + 1))
        await eventually(lambda seen=seen: sum(ledger.taken.values()) > seen, seconds=30)  # type: ignore[misc]
        await asyncio.sleep(pick.random() * 1.5)
        victim = pick.randrange(2)
        if act == "kill":
            await replicas.kill(victim)
            ledger.unheard |= await _in_hand(announcer.redis)
            await replicas.restart(victim)
        elif act == "freeze":
            replicas.freeze(victim)
            ledger.unheard |= await _in_hand(announcer.redis)
            await asyncio.sleep(_FROZEN_SECONDS)
            replicas.thaw(victim)
        else:
            server.kill()
            await asyncio.sleep(pick.random() * 0.5)
            server.start()
    announcer.release(1)


async def _in_hand(redis: Redis) -> set[str]:
    """Return what is leased: all of whose answers may not be heard, and some more."""
    found: set[str] = set()
    for number in range(SHARDS):
        async for key in redis.scan_iter(Shard(number).leased(SubscriptionId("*"))):
            found |= {str(member).partition(" ")[0] for member in await redis.zrange(key, 0, -1)}
    return found


def _not_answered(log: Path) -> set[str]:
    """Return the deliveries of which a worker says that it got no answer."""
    found = set()
    for line in log.read_text(errors="replace").splitlines():
        with suppress(ValueError):
            told = json.loads(line)
            if told.get("event") == "delivery.attempted" and told.get("reason") not in (None, "status"):
                found.add(told["delivery_id"])
    return found


async def _until_settled(redis: Redis, ledger: Ledger, expected: set[str], patience: timedelta) -> None:
    ends = time.monotonic() + patience.total_seconds()
    while time.monotonic() < ends:
        if expected <= set(ledger.taken) and not await _unsettled(redis):
            return
        await asyncio.sleep(0.2)


async def _unsettled(redis: Redis) -> int:
    found = 0
    for number in range(SHARDS):
        async for key in redis.scan_iter(Shard(number).deliveries(SubscriptionId("*"))):
            found += await redis.hlen(key)
    return found


async def _outcome(plan: Plan, redis: Redis, ledger: Ledger, names: list[str], event_ids: list[str]) -> Outcome:
    disorder = []
    for name in names[: plan.ordered]:
        disorder += ledger.out_of_order(f"/{name}", [f"{event}-{name}" for event in event_ids])
    return Outcome(
        plan,
        ledger,
        {f"{event}-{name}" for event in event_ids for name in names},
        await _unsettled(redis),
        sum([await redis.xlen(Shard(number).dead_letters) for number in range(SHARDS)]),
        disorder,
    )
