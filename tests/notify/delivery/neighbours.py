"""One event for many endpoints, some of which hang, fail or have names that do not resolve: who waits for whom."""

import asyncio
import math
import threading
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr
from redis.asyncio import Redis

from services.dev.embedded_store import embedded_redis
from services.notify.channels.signing import new_secret
from services.notify.engine import running_engine
from services.notify.model.subscription import SealedSecret
from services.notify.subscriptions.secret_box import SecretBox
from services.notify.subscriptions.store import SubscriptionStore, settle_shard_count
from shared.egress.address_classes import Address
from shared.egress.name_resolver import NameResolver
from shared.runtime.settings import Settings
from shared.store.redis_client import connect
from tests.factories import SECRETS_KEY
from tests.notify.delivery.sink import Reply, a_sink
from tests.notify.factories import LOOPBACK, a_subscription, an_event, announce
from tests.waiting import eventually


@dataclass(frozen=True)
class Neighbourhood:
    """How many endpoints of each kind there are."""

    healthy: int
    hanging: int = 0
    failing: int = 0
    without_address: int = 0


@dataclass(frozen=True)
class Heard:
    """When the healthy endpoints heard the event, in seconds from its announcement."""

    seconds: Sequence[float]

    @property
    def p95(self) -> float:
        return sorted(self.seconds)[math.ceil(0.95 * len(self.seconds)) - 1]


async def hear(street: Neighbourhood, folder: Path) -> Heard:
    """Announce one event to the neighbourhood, wait until every healthy endpoint has heard it, and return when."""
    heard: dict[str, float] = {}
    let_go = threading.Event()

    def answer(path: str, _: str) -> Reply:
        if path.startswith("/hanging"):
            return Reply(0)
        if path.startswith("/failing"):
            return Reply(503)
        heard.setdefault(path, time.monotonic())
        return Reply(200)

    def look_up(_: str) -> Sequence[Address]:
        # A name server that does not answer.
        let_go.wait(10)
        raise OSError("no answer")

    with embedded_redis(folder) as server:
        settings = Settings(
            redis_url=server.url,
            output_dir=folder,
            secrets_key=SecretStr(SECRETS_KEY),
            egress_allow=LOOPBACK,
            attempt_timeout=timedelta(seconds=5),
        )
        async with aclosing(connect(server.url)) as redis, a_sink(answer) as url:
            await _move_in(street, redis, settings, url)
            async with running_engine(redis, settings, stopping := asyncio.Event(), NameResolver(look_up)):
                began = time.monotonic()
                await announce(redis, an_event("e"))
                await eventually(lambda: len(heard) == street.healthy, seconds=60)
                let_go.set()
                stopping.set()
    return Heard([at - began for at in heard.values()])


async def _move_in(street: Neighbourhood, redis: Redis, settings: Settings, url: str) -> None:
    """Subscribe everybody, the kinds well mixed: who is asked first is a matter of ids."""
    store = SubscriptionStore(redis, await settle_shard_count(redis, settings.shards))
    box = SecretBox(settings.secrets_key)
    hosts = [(f"{url}/healthy{n}", n) for n in range(street.healthy)]
    hosts += [(f"{url}/hanging{n}", n) for n in range(street.hanging)]
    hosts += [(f"{url}/failing{n}", n) for n in range(street.failing)]
    hosts += [(f"http://nowhere{n}.example/", n) for n in range(street.without_address)]
    for target, number in hosts:
        name = f"sub{number:04}{target[-12:].replace('/', '')}".replace(".", "")
        secret = SealedSecret(sealed=box.seal(new_secret(), name))
        await store.add(a_subscription(name, url=target, secrets=(secret,)))
