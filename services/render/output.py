"""The output volume: files that appear whole, and locks that any number of replicas share."""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

LockFamily = Literal["items", "lists"]

# Striped lock files: enough that two replicas seldom wait for one another by chance, few enough to keep for ever.
_LOCKS_PER_FAMILY = 512
_STATE = ".clarion"


class Output:
    """
    The files of the site.

    A page is read from the store and written while its lock is held, so that the last writer has the freshest data.
    The kernel gives a lock up when its process dies, and never under a process that is only frozen. Whoever holds a
    lock of the family `lists` may take one of `items`, never the other way round, so that nobody waits in a circle.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._locks = root / _STATE / "locks"
        self._locks.mkdir(parents=True, exist_ok=True)

    def file_of(self, path: str) -> Path:
        """Return the file that holds what is read at `path`."""
        return self._root / (path.lstrip("/") + ("index.html" if path.endswith("/") else ""))

    @contextlib.asynccontextmanager
    async def locked(self, family: LockFamily, path: str) -> AsyncIterator[None]:
        """Hold the lock of `path` while the block runs."""
        stripe = int.from_bytes(hashlib.blake2b(path.encode(), digest_size=4).digest()) % _LOCKS_PER_FAMILY
        handle = os.open(self._locks / f"{family}-{stripe}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                await asyncio.to_thread(fcntl.flock, handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def write(self, path: str, content: bytes, mtime_ns: int) -> bool:
        """Put the file there whole, unless it is there already; return whether its bytes changed."""
        target = self.file_of(path)
        try:
            if target.read_bytes() == content:
                if target.stat().st_mtime_ns != mtime_ns:
                    os.utime(target, ns=(mtime_ns, mtime_ns))
                return False
        except FileNotFoundError:
            pass
        while True:
            target.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # another replica just removed the folder as empty
                self._replace(target, content, mtime_ns)
                return True

    @staticmethod
    def _replace(target: Path, content: bytes, mtime_ns: int) -> None:
        handle, name = tempfile.mkstemp(prefix=".new-", dir=target.parent)
        beside = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                os.fchmod(file.fileno(), 0o644)
            os.utime(beside, ns=(mtime_ns, mtime_ns))
            beside.replace(target)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise

    def remove(self, path: str) -> bool:
        """Take the file away, and the folders that it leaves empty; return whether it was there."""
        target = self.file_of(path)
        try:
            target.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        for folder in target.parents:
            if folder == self._root:
                break
            try:
                folder.rmdir()
            except OSError:  # not empty
                break
        return True

    def mtime_ns(self, path: str) -> int | None:
        """Return the file's time in nanoseconds, or None where there is none."""
        try:
            return self.file_of(path).stat().st_mtime_ns
        except (FileNotFoundError, NotADirectoryError):
            return None

    def built(self) -> str | None:
        """Return the fingerprint of the site and theme that the whole volume was last built with."""
        try:
            return (self._root / _STATE / "built").read_text()
        except FileNotFoundError:
            return None

    def mark_built(self, fingerprint: str) -> None:
        """Record that every page on the volume is of this site and theme."""
        self._replace(self._root / _STATE / "built", fingerprint.encode(), 0)
