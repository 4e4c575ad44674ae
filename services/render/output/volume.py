"""The output volume: files that appear whole, and locks that any number of replicas share."""

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import os
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Literal

from services.render.output.atomic_file import UNFINISHED, put_file, remove_unless_locked
from services.render.output.exchange import can_exchange
from services.render.output.files import is_of_a_name, naming
from shared.model.urls import INDEX_FILE

LockFamily = Literal["items", "lists", "rebuilds", "editions"]

# Striped lock files: enough that two replicas seldom wait for one another by chance, few enough to keep for ever.
_LOCKS_PER_FAMILY = 512
_STATE = ".clarion"
_HISTORY_BYTES = 200
# A lock is held for milliseconds. Asking again, rather than waiting in a thread, can be given up at any moment.
_FIRST_WAIT_SECONDS = 0.001
_LONGEST_WAIT_SECONDS = 0.02
# A second of them: the only writers of one file are replicas that keep their own marks.
_MOST_TRIES = 1000


class Output:
    """
    The files of the site.

    A page is read from the store and written while its lock is held, so that the last writer has the freshest data.
    The kernel gives a lock up when its process dies, and never under a process that is only frozen. Whoever holds a
    lock of the family `lists` may take one of `items`, never the other way round, so that nobody waits in a circle.
    """

    def __init__(self, root: Path, *, exchanges: bool | None = None) -> None:
        """`exchanges` tells whether the volume can exchange names; it is tried where nobody knows."""
        self.root = root
        self._exchanges = exchanges
        self._locks = root / _STATE / "locks"
        self._locks.mkdir(parents=True, exist_ok=True)

    @property
    def exchanges(self) -> bool:
        """Whether files exchange names; else a new file is renamed over the old one."""
        if self._exchanges is None:
            self._exchanges = can_exchange(self.root / _STATE)
        return self._exchanges

    @property
    def search_file(self) -> Path:
        """Where the search index lies: beside the locks, where no web server looks."""
        return self.root / _STATE / "search" / "index.db"

    @property
    def editions_folder(self) -> Path:
        """Where copies of the last accepted editions lie."""
        return self.root / _STATE / "editions"

    def file_of(self, path: str) -> Path:
        """Return the file that holds what is read at `path`."""
        return self.root / (path.lstrip("/") + (INDEX_FILE if path.endswith("/") else ""))

    @contextlib.asynccontextmanager
    async def locked(self, family: LockFamily, paths: Iterable[str]) -> AsyncIterator[None]:
        """Hold the locks of all these paths while the block runs."""
        with contextlib.ExitStack() as held:
            # Everybody takes them in one order, so that nobody waits in a circle.
            for stripe in sorted({_stripe(path) for path in paths}):
                handle = os.open(self._locks / f"{family}-{stripe}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
                held.callback(os.close, handle)
                await _lock(handle)
            yield

    def read(self, path: str) -> bytes | None:
        """Return the file's bytes, or None where there is none."""
        try:
            return self.file_of(path).read_bytes()
        except OSError as error:
            if is_of_a_name(error):
                return None
            raise

    def write(self, path: str, content: bytes, mtime_ns: int | None) -> bool:
        """
        Put the file there whole, unless it is there already; return whether its bytes changed.

        Without a time of its data it has the time when it was written. Raises UnusableName, or OSError where the
        volume takes no files.
        """
        target = self.file_of(path)
        if self.read(path) == content:
            if mtime_ns is not None and target.stat().st_mtime_ns != mtime_ns:
                os.utime(target, ns=(mtime_ns, mtime_ns))
            return False
        with naming(path):
            self._put(target, content, mtime_ns)
        return True

    def _put(self, target: Path, content: bytes, mtime_ns: int | None = None, *, is_durable: bool = False) -> None:
        for _ in range(_MOST_TRIES):
            # No folder yet, or another replica just removed it as empty, swept the new file, or writes the same one.
            try:
                return put_file(
                    target, content, mtime_ns, exchanges=self.exchanges and not is_durable, is_durable=is_durable
                )
            except FileNotFoundError:
                target.parent.mkdir(parents=True, exist_ok=True)
            except BlockingIOError:
                time.sleep(_FIRST_WAIT_SECONDS)
        raise BlockingIOError(errno.EAGAIN, "another replica writes the same file and does not end", str(target))

    def remove(self, path: str) -> bool:
        """Take the file away, and the folders that it leaves empty; return whether it was there."""
        target = self.file_of(path)
        try:
            target.unlink()
        except OSError as error:
            if is_of_a_name(error):
                return False
            raise
        for folder in target.parents:
            if folder == self.root:
                break
            try:
                folder.rmdir()
            except OSError:  # not empty
                break
        return True

    def mtime_ns(self, path: str) -> int | None:
        """Return the file's time in nanoseconds, or None where there is none."""
        try:
            # Asked hundreds of times for one publish, and a Path costs more than the question.
            return os.stat(f"{self.root}{path}{INDEX_FILE if path.endswith('/') else ''}").st_mtime_ns  # noqa: PTH116
        except OSError as error:
            if is_of_a_name(error):
                return None
            raise

    def edition(self) -> str | None:
        """Return the mark of the edition that pages are made with; None on a volume where none was ever current."""
        return self._state("edition")

    def begin_edition(self, mark: str) -> None:
        """Record that pages are made with another edition from now on: whatever is built counts as old."""
        (self.root / _STATE / "built").unlink(missing_ok=True)
        self.keep_mark(None)
        self._put(self.root / _STATE / "edition", mark.encode())

    def built(self) -> str | None:
        """Return the fingerprint of the edition that the whole volume was last built with."""
        return self._state("built")

    def mark_built(self, fingerprint: str) -> None:
        """Record that every page on the volume is of this edition."""
        self._put(self.root / _STATE / "built", fingerprint.encode())

    def mark(self) -> str | None:
        """Return how far a rebuild has come that was interrupted."""
        return self._state("rebuild")

    def keep_mark(self, mark: str | None) -> None:
        """Record how far a rebuild has come; None when it is through."""
        if mark is None:
            (self.root / _STATE / "rebuild").unlink(missing_ok=True)
        else:
            self._put(self.root / _STATE / "rebuild", mark.encode())

    def synced(self) -> str | None:
        """Return up to where the volume was last synced."""
        return self._state("synced")

    def keep_synced(self, mark: str) -> None:
        """Record up to where the volume is synced, surely on the disk."""
        self._put(self.root / _STATE / "synced", mark.encode(), is_durable=True)

    def now_ns(self) -> int:
        """Return the moment by the clock of the volume: what is written from now on has this moment or a later one."""
        clock = self.root / _STATE / "clock"
        clock.touch()
        return clock.stat().st_ctime_ns

    def changed_since(self, moment_ns: int) -> Iterator[str]:
        """Yield the path of every file that was written at the moment or later, whatever its time says."""
        for path in self.paths():
            with contextlib.suppress(FileNotFoundError):
                if self.file_of(path).stat().st_ctime_ns >= moment_ns:
                    yield path

    def history(self) -> str | None:
        """Return how far the history of the store had come that the volume was written from."""
        return self._state("history")

    def keep_history(self, mark: str) -> None:
        """
        Record how far the history has come, with every batch: so the mark is written in its place, not beside it.

        A mark of one block is never torn by a killed process, and an older mark after a power cut finds less, no more.
        """
        handle = os.open(self.root / _STATE / "history", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.pwrite(handle, mark.ljust(_HISTORY_BYTES).encode(), 0)
        finally:
            os.close(handle)

    def _state(self, name: str) -> str | None:
        try:
            return (self.root / _STATE / name).read_text()
        except FileNotFoundError:
            return None

    def paths(self) -> Iterator[str]:
        """Yield the path of every file that a reader could ask for: unfinished ones and the volume's own are none."""
        for folder, below, names in os.walk(self.root):
            below[:] = sorted(name for name in below if not name.startswith("."))
            place = Path(folder).relative_to(self.root).as_posix()
            prefix = "/" if place == "." else f"/{place}/"
            for name in sorted(names):
                if not name.startswith("."):
                    yield prefix + ("" if name == INDEX_FILE else name)

    def sweep_unfinished(self) -> int:
        """Take away what processes that are gone left unfinished, never what is being written; return how many."""
        found = (
            Path(folder) / name
            for folder, _, names in os.walk(self.root)
            for name in names
            if name.startswith(UNFINISHED)
        )
        return sum(map(remove_unless_locked, found))


def _stripe(path: str) -> int:
    return int.from_bytes(hashlib.blake2b(path.encode(), digest_size=4).digest()) % _LOCKS_PER_FAMILY


async def _lock(handle: int) -> None:
    wait = _FIRST_WAIT_SECONDS
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT_SECONDS)
