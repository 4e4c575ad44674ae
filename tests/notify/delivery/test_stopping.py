"""SIGTERM: what is in hand gets its grace, and the process is gone before a supervisor's 10 s are over."""

import os
import signal
import time
from contextlib import aclosing
from pathlib import Path

from services.dev.embedded_store import embedded_redis
from shared.model.ids import SubscriptionId
from shared.store.keys import Shard
from shared.store.redis_client import connect
from tests.notify.delivery.chaos import SHARDS, Plan, Replicas, environment, subscribe
from tests.notify.delivery.sink import Reply, a_sink
from tests.notify.factories import an_event, announce
from tests.waiting import eventually

SUPERVISORS_PATIENCE_SECONDS = 10


async def test_a_service_whose_endpoints_hang_hands_back_what_it_has_and_exits_in_time(tmp_path: Path) -> None:
    heard: list[str] = []

    def hang(_: str, webhook_id: str) -> Reply:
        heard.append(webhook_id)
        return Reply(0)

    with embedded_redis(tmp_path) as server:
        async with aclosing(connect(server.url)) as redis, a_sink(hang) as url:
            (name,) = await subscribe(redis, Plan(1, 0, 1, 0, 0, 0, 0), url)
            replicas = Replicas({**environment(server.url), "CLARION_ATTEMPT_TIMEOUT": "60"}, tmp_path / "log")
            async with replicas.running(1):
                await announce(redis, an_event("e"))
                await eventually(lambda: heard == [f"e-{name}"], seconds=30)

                began = time.monotonic()
                exit_code = await replicas.stop(0, signal.SIGTERM)

            took = time.monotonic() - began
            leased = [await redis.zcard(Shard(number).leased(SubscriptionId(name))) for number in range(SHARDS)]
    assert exit_code == 0
    assert took < SUPERVISORS_PATIENCE_SECONDS
    assert sum(leased) == 0


async def test_a_service_whose_store_hangs_exits_in_time(tmp_path: Path) -> None:
    with embedded_redis(tmp_path) as server:
        async with aclosing(connect(server.url)) as redis, a_sink(lambda _, __: Reply(0)) as url:
            (name,) = await subscribe(redis, Plan(1, 0, 1, 0, 0, 0, 0), url)
            replicas = Replicas({**environment(server.url), "CLARION_ATTEMPT_TIMEOUT": "60"}, tmp_path / "log")
            async with replicas.running(1):
                await announce(redis, an_event("e"))
                shard_has_it = [Shard(number).leased(SubscriptionId(name)) for number in range(SHARDS)]

                async def is_in_hand() -> bool:
                    return sum([await redis.zcard(key) for key in shard_has_it]) == 1

                await eventually(is_in_hand, seconds=30)
                os.kill(server.pid, signal.SIGSTOP)

                began = time.monotonic()
                exit_code = await replicas.stop(0, signal.SIGTERM)
                took = time.monotonic() - began
    assert exit_code == 0
    assert took < SUPERVISORS_PATIENCE_SECONDS
