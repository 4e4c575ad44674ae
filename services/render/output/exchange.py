"""Let two files exchange their names in one step, where the file system of the volume can."""

import ctypes
import errno
import os
import tempfile
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP})

_library = ctypes.CDLL(None, use_errno=True)


def exchange(one: Path, other: Path) -> None:
    """Let both files have each other's name; at no moment is either name without a file. Raises OSError."""
    if not hasattr(_library, "renameat2"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(one))
    if _library.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(other))


def can_exchange(folder: Path) -> bool:
    """Try it in a folder of its own below this one. Raises OSError where the folder takes no files."""
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as trial:
        one, other = Path(trial, "1"), Path(trial, "2")
        one.write_bytes(b"1")
        other.write_bytes(b"2")
        try:
            exchange(one, other)
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                return False
            raise
        return one.read_bytes() == b"2"
