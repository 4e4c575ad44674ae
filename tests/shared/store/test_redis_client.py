"""Addresses of the store, and a master that sentinels watch over."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.dev.embedded_store import EmbeddedRedis, embedded_redis, find_server
from shared.store.redis_client import connect
from tests.ports import a_free_port
from tests.waiting import eventually

# A master waits five seconds for more replicas before it sends the first one everything.
AT_ONCE = ("--repl-diskless-sync-delay", "0")


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("redis+sentinel://127.0.0.1:26379", id="no name of the master"),
        pytest.param("redis+ring://127.0.0.1:6379", id="nothing that there is"),
        pytest.param("http://127.0.0.1:6379", id="another protocol"),
    ],
)
def test_an_address_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        connect(url)


@contextmanager
def a_sentinel(folder: Path, master: EmbeddedRedis) -> Iterator[str]:
    """Watch over the master; yield the address that the services are given."""
    port = a_free_port()
    host, master_port = _host_and_port(master)
    config = folder / "sentinel.conf"
    config.write_text(
        f"port {port}\n"
        "bind 127.0.0.1\n"
        f"sentinel monitor clarion {host} {master_port} 1\n"
        "sentinel down-after-milliseconds clarion 500\n"
        "sentinel failover-timeout clarion 2000\n"
    )
    with (folder / "sentinel.log").open("wb") as log:
        command = [str(find_server(os.environ["PATH"])), str(config), "--sentinel", "--dir", str(folder)]
        process = subprocess.Popen(command, stdout=log, stderr=log, env={"LC_ALL": "C"})
    try:
        yield f"redis+sentinel://127.0.0.1:{port}/clarion"
    finally:
        process.kill()
        process.wait()


def _host_and_port(server: EmbeddedRedis) -> tuple[str, str]:
    host, _, port = server.url.removeprefix("redis://").split("/")[0].partition(":")
    return host, port


async def test_a_watched_master_is_found_again_after_its_death(tmp_path: Path) -> None:
    with embedded_redis(tmp_path / "main", port=0, options=AT_ONCE) as main:
        follow = ("--replicaof", *_host_and_port(main))
        with embedded_redis(tmp_path / "replica", port=0, options=follow), a_sentinel(tmp_path, main) as url:
            redis = connect(url)
            await eventually(lambda: _writes(redis, "before"), "the sentinel")

            async def is_known_to_follow() -> bool:
                return bool(await redis.wait(1, 10))

            await eventually(is_known_to_follow, "the replica")
            # A sentinel asks its master every ten seconds which replicas it has, and promotes one that it has heard of.
            await eventually(lambda: b"+slave slave" in (tmp_path / "sentinel.log").read_bytes(), "the sentinel's list")

            main.kill()

            await eventually(lambda: _writes(redis, "after"), "the failover")
            assert await redis.get("{site}:before") == "1"
            await redis.aclose()


async def _writes(redis: Redis, name: str) -> bool:
    try:
        return bool(await redis.set(f"{{site}}:{name}", "1"))
    except RedisError:
        return False
