"""Accepted is durable: what the store cannot keep is not promised, and a store that is away is said to be."""

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.dev.embedded_store import embedded_redis
from services.ingest.publishing.durability import WeakStore, require_durable_store
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.redis_client import connect
from tests.factories import an_item, some_settings
from tests.ingest_service import running_ingest
from tests.ports import a_free_port
from tests.store_contents import store_contents
from tests.waiting import eventually


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("appendfsync", "everysec", id="a second may be lost"),
        pytest.param("appendonly", "no", id="everything may be lost"),
        pytest.param("maxmemory-policy", "allkeys-lru", id="items may be evicted"),
    ],
)
async def test_a_weak_store_is_refused_and_told_why(tmp_path: Path, name: str, value: str) -> None:
    with embedded_redis(tmp_path / "weak") as server:
        redis = connect(server.url)
        await redis.config_set(name, value)
        settings = some_settings(tmp_path, server.url)

        with pytest.raises(WeakStore, match=f"{name} is {value}"):
            await require_durable_store(redis, settings)
        await require_durable_store(redis, settings.model_copy(update={"allow_weak_durability": True}))

        await redis.aclose()


async def test_a_write_that_too_few_replicas_have_is_not_acknowledged(settings: Settings, redis: Redis) -> None:
    async with running_ingest(settings.model_copy(update={"wait_replicas": 9}), redis) as ingest:
        first = await ingest.send("a", an_item())
        again = await ingest.send("a", an_item())

        assert (first.status_code, again.status_code) == (503, 503)
        assert first.headers["retry-after"] == "1"
        assert len(await ingest.events()) == 1


async def test_a_write_that_a_replica_has_is_acknowledged(tmp_path: Path) -> None:
    with embedded_redis(tmp_path / "main", port=0) as server, embedded_redis(tmp_path / "replica", port=0) as second:
        redis, replica = connect(server.url), connect(second.url)
        # A server waits 5 s for more replicas that want the same snapshot, unless told not to.
        await redis.config_set("repl-diskless-sync-delay", "0")
        host, port = server.url.removeprefix("redis://").split("/")[0].split(":")
        await replica.execute_command("REPLICAOF", host, port)  # type: ignore[no-untyped-call]

        async def follows() -> bool:
            return bool((await replica.info("replication"))["master_link_status"] == "up")

        await eventually(follows, "the replica")
        http_port = a_free_port()
        settings = some_settings(
            tmp_path, server.url, port=http_port, base_url=f"http://127.0.0.1:{http_port}", wait_replicas=1
        )
        async with running_ingest(settings, redis) as ingest:
            receipt = await ingest.put("a", an_item())

            assert await replica.hget(keys.item(receipt["id"]), "latest") == "1"
        await redis.aclose()
        await replica.aclose()


async def test_while_the_store_is_away_the_caller_is_told_to_come_back_and_afterwards_all_is_well(
    tmp_path: Path,
) -> None:
    with embedded_redis(tmp_path / "store", port=0) as server:
        redis = connect(server.url)
        http_port = a_free_port()
        settings = some_settings(tmp_path, server.url, port=http_port, base_url=f"http://127.0.0.1:{http_port}")
        async with running_ingest(settings, redis) as ingest:
            await ingest.put("before", an_item())
            server.kill()

            away = await asyncio.gather(
                *(ingest.send(f"n{number}", an_item(title=f"T{number}")) for number in range(8))
            )
            ready = await ingest.http.get("/readyz")
            server.start()

            async def is_back() -> bool:
                return (await ingest.http.get("/readyz")).status_code == 200

            await eventually(is_back, "the service")
            again = [await ingest.send(f"n{number}", an_item(title=f"T{number}")) for number in range(8)]

            assert {response.status_code for response in away} == {503}
            assert {response.headers["retry-after"] for response in away} == {"1"}
            assert ready.status_code == 503
            assert {response.status_code for response in again} <= {200, 201}
            assert len(await ingest.events()) == 9
        await redis.aclose()


async def test_a_store_killed_in_the_middle_of_writes_holds_whole_items_only(tmp_path: Path) -> None:
    with embedded_redis(tmp_path / "store", port=0) as server:
        redis = connect(server.url)
        http_port = a_free_port()
        settings = some_settings(tmp_path, server.url, port=http_port, base_url=f"http://127.0.0.1:{http_port}")
        async with running_ingest(settings, redis) as ingest:
            sending = [asyncio.create_task(ingest.send(f"n{number}", an_item())) for number in range(60)]
            await eventually(lambda: sum(task.done() for task in sending) >= 10, "ten answers")
            server.kill()
            server.start()
            responses = await asyncio.gather(*sending)

            accepted = {response.json()["id"] for response in responses if response.is_success}
            contents = await store_contents(redis)
            there = {name.rpartition(":")[2] for name in contents if name.startswith("{site}:item:")}
            events = {event["item_id"] for event in await ingest.events()}
            assert accepted <= there
            assert there == events == set(contents[keys.PATHS].values())
            assert {response.status_code for response in responses} <= {201, 200, 503}
        await redis.aclose()
