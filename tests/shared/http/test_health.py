"""What a watcher is told over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis

from shared.http.health import health_router, store_answers
from shared.http.store_numbers import StoreWatch, UnshownNumbers
from shared.store import keys
from shared.store.redis_client import connect


@pytest.fixture
async def away() -> AsyncIterator[Redis]:
    """A client of a store that is not there."""
    client = connect("redis://127.0.0.1:1/0")
    yield client
    await client.aclose()


async def test_ready_as_long_as_the_store_answers(redis: Redis, away: Redis) -> None:
    assert (await _get(redis, "/readyz")).status_code == 200
    assert (await _get(away, "/readyz")).status_code == 503


async def test_a_trouble_is_named_and_nothing_is_ready_meanwhile() -> None:
    async def ready() -> bool:
        return True

    troubles = ["the output volume takes no files"]
    app = FastAPI()
    app.include_router(health_router(ready, trouble=lambda: "".join(troubles)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://clarion") as client:
        meanwhile = await client.get("/readyz")
        troubles.clear()
        afterwards = await client.get("/readyz")

    assert meanwhile.status_code == 503
    assert meanwhile.json() == {"status": "not ready", "reason": "the output volume takes no files"}
    assert afterwards.status_code == 200


async def test_alive_even_while_the_store_is_away(away: Redis) -> None:
    assert (await _get(away, "/healthz")).json() == {"status": "alive"}


async def test_the_numbers_of_the_store_are_those_of_the_moment_they_are_asked_for(
    redis: Redis, tmp_path: Path
) -> None:
    await redis.xgroup_create(keys.ITEMS_STREAM, "render", id="0", mkstream=True)
    await redis.xadd(keys.ITEMS_STREAM, {"told": "something"})

    numbers = await _numbers(redis, tmp_path)

    assert numbers['clarion_stream_lag{group="render",stream="items"}'] == 1
    assert numbers["clarion_store_up"] == 1
    assert numbers["clarion_store_append_only"] == 1
    free, size = (numbers[f'clarion_disk{what}_bytes{{volume="site"}}'] for what in ("_free", ""))
    assert 0 < free <= size


async def test_a_store_that_is_away_leaves_no_old_numbers(redis: Redis, away: Redis, tmp_path: Path) -> None:
    await redis.xgroup_create(keys.ITEMS_STREAM, "render", id="0", mkstream=True)
    await _numbers(redis, tmp_path)

    numbers = await _numbers(away, tmp_path)

    assert numbers["clarion_store_up"] == 0
    assert [name for name in numbers if name.startswith("clarion_stream_lag")] == []
    assert str(numbers["clarion_store_memory_bytes"]) == "nan"
    assert "clarion_items_total" in (await _get(away, "/metrics")).text


async def test_render_tells_how_far_behind_it_is_and_stays_ready(redis: Redis) -> None:
    async def backlog() -> UnshownNumbers:
        return UnshownNumbers(waiting=3, oldest_seconds=90.5, unrenderable=1)

    app = FastAPI()
    app.include_router(health_router(lambda: store_answers(redis), backlog=backlog))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        response = await client.get("/readyz")

    assert response.status_code == 200
    assert response.json() == {
        "status": "ready",
        "unshown_items": 3,
        "unshown_oldest_seconds": 90.5,
        "unrenderable_items": 1,
    }


async def _get(redis: Redis, path: str, output_dir: Path | None = None) -> httpx.Response:
    app = FastAPI()
    app.include_router(health_router(lambda: store_answers(redis), StoreWatch(redis), output_dir))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        return await client.get(path)


async def _numbers(redis: Redis, output_dir: Path) -> dict[str, float]:
    text = (await _get(redis, "/metrics", output_dir)).text
    return {
        sample.name + _spelled(sample.labels): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _spelled(labels: dict[str, str]) -> str:
    pairs = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
    return f"{{{pairs}}}" if pairs else ""
