"""Export and restore: the round trip is exact, and half an archive is known for one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from services.dev.embedded_store import embedded_redis
from shared.model.errors import Conflict, Invalid
from shared.store import keys
from shared.store.redis_client import connect
from shared.store.upkeep import archive
from tests.factories import an_item
from tests.ingest_service import Ingest
from tests.store_contents import store_contents


@pytest.fixture(scope="module")
def other_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with embedded_redis(Path(tmp_path_factory.mktemp("other"))) as server:
        yield server.url


async def exported(redis: Redis) -> list[bytes]:
    return [line async for line in archive.export(redis, now="2026-05-22T10:47:00.000Z")]


async def test_what_was_exported_is_restored_to_the_last_byte(ingest: Ingest, other_server: str) -> None:
    for number in range(5):
        await ingest.put(f"n{number}", an_item(title=f"Порт {number}", tags=["sea"]))
    await ingest.put("later", an_item(title="Later", publish_at="2999-01-01T00:00:00Z"))
    await ingest.withdraw("n0")
    await ingest.with_key("items:write")
    redis = ingest.redis
    await redis.set("{site}:text", "a\nb", ex=1000)
    await redis.rpush("{d0}:ready:x", *map(str, range(2500)))
    await redis.sadd("{d0}:set", "b", "a")
    await redis.zadd("{site}:scores", {"small": 0.1, "large": 1_779_446_820_123, "huge": float("inf")})
    await redis.xgroup_create(keys.ITEMS_STREAM, "render", id="0")
    await redis.xreadgroup("render", "worker", {keys.ITEMS_STREAM: ">"}, count=3)
    (first, *_) = await redis.xrange(keys.ITEMS_STREAM) or []
    await redis.xack(keys.ITEMS_STREAM, "render", str(first[0]))
    await redis.xgroup_create("{site}:empty", "notify", id="0", mkstream=True)
    lines = await exported(redis)

    other = connect(other_server)
    await other.flushall()
    counted: list[int] = []
    summary = await archive.restore(other, lines, lambda: counted.append(1))

    assert await store_contents(other) == await store_contents(redis)
    assert summary.lines == len(counted) == len(lines) - 1
    for name in (keys.ITEMS_STREAM, "{site}:empty"):
        assert await _stream(other, name) == await _stream(redis, name)
    assert await other.pexpiretime("{site}:text") == await redis.pexpiretime("{site}:text")
    again = await exported(other)
    assert [line for line in again if b'"pending"' not in line] == [line for line in lines if b'"pending"' not in line]
    await other.aclose()


async def _stream(redis: Redis, name: str) -> list[object]:
    """Return where the stream and its groups stand."""
    stream: Any = await redis.xinfo_stream(name)  # Any: redis-py's reply, here and below
    groups: Any = await redis.xinfo_groups(name)
    places = [(one["name"], one["last-delivered-id"], one["pending"], one["entries-read"]) for one in groups]
    return [stream["last-generated-id"], stream["entries-added"], places]


async def test_a_store_that_holds_something_is_not_written_over(ingest: Ingest) -> None:
    await ingest.put("a", an_item())
    lines = await exported(ingest.redis)
    before = await store_contents(ingest.redis)

    with pytest.raises(Conflict):
        await archive.restore(ingest.redis, lines)

    assert await store_contents(ingest.redis) == before


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda lines: lines[:-1], id="without its end"),
        pytest.param(lambda lines: [*lines[:2], *lines[3:]], id="a line is missing"),
        pytest.param(lambda lines: [line.replace(b"harbour", b"HARBOUR") for line in lines], id="a word is changed"),
        pytest.param(lambda lines: lines[1:], id="without its beginning"),
        pytest.param(lambda lines: [b"not json\n"], id="something else"),
        pytest.param(lambda lines: [], id="nothing"),
    ],
)
async def test_half_an_archive_is_refused(ingest: Ingest, other_server: str, damage: object) -> None:
    await ingest.put("a", an_item())
    lines = await exported(ingest.redis)
    other = connect(other_server)
    await other.flushall()

    with pytest.raises(Invalid):
        await archive.restore(other, damage(lines))  # type: ignore[operator]

    await other.aclose()


async def test_a_store_that_is_written_to_meanwhile_is_not_exported(ingest: Ingest) -> None:
    await ingest.put("a", an_item())
    walk = archive.export(ingest.redis, now="2026-05-22T10:47:00.000Z")
    await anext(walk)
    await anext(walk)

    await ingest.put("b", an_item(title="Meanwhile"))

    with pytest.raises(archive.StoreChanged):
        [line async for line in walk]
