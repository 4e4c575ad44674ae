"""Server-side includes: put fragments into a page when it is served, as nginx does with its SSI module."""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from services.render.output.volume import Output

_INCLUDE = re.compile(rb'<!--#include virtual="([^"]+)" -->')
# An LRU cache of 40 MB: 2,000 files of 20 kB.
_FILES_KEPT = 2000


@dataclass(frozen=True)
class ServedBody:
    """What is sent for a path."""

    content: bytes
    modified: float | None
    """Seconds since the epoch; None for a composed page, which changes with its fragments too."""

    @property
    def etag(self) -> str:
        """A strong validator (RFC 9110, section 8.8.3): of the very bytes that are sent."""
        return f'"{hashlib.blake2b(self.content, digest_size=12).hexdigest()}"'


def read_body(output: Output, path: str) -> ServedBody | None:
    """Return what is read at `path`, fragments included, or None where there is no file."""
    file = output.file_of(path)
    try:
        status = file.stat()
        content = _content(file, status.st_ino, status.st_mtime_ns, status.st_size)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    if file.suffix != ".html":
        return ServedBody(content, status.st_mtime)
    return ServedBody(compose(output, content), None)


def compose(output: Output, content: bytes) -> bytes:
    """Return the page with its fragments in place; a missing fragment is replaced by nothing."""

    def fragment(found: re.Match[bytes]) -> bytes:
        body = read_body(output, found.group(1).decode())
        return body.content if body else b""

    return _INCLUDE.sub(fragment, content)


@lru_cache(maxsize=_FILES_KEPT)
def _content(file: Path, _inode: int, _mtime_ns: int, _size: int) -> bytes:
    # Files are replaced, never changed in place: a new file has a new inode.
    return file.read_bytes()
