"""Files of the site, whose times come from their data."""

import contextlib
import errno
from collections.abc import Iterator
from dataclasses import dataclass

from shared.model.clock import to_ms
from shared.model.errors import Broken
from shared.model.items import PublicItem

# All other errors are the volume's: they pass, or an operator sees to them, and then every page can be written.
_ERRORS_OF_A_NAME = frozenset({errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EILSEQ})


class UnusableName(Broken):
    """A page's file cannot have its name, whatever room the volume has; other pages can be written."""


@contextlib.contextmanager
def naming(path: str) -> Iterator[None]:
    """Raise UnusableName where the block fails because of the name of the file of `path`."""
    try:
        yield
    except OSError as error:
        if error.errno not in _ERRORS_OF_A_NAME:
            raise
        raise UnusableName(f"no file can be made for {path}: {error.strerror}") from error


def is_of_a_name(error: OSError) -> bool:
    """Whether the name of a file was the trouble: there can be no such file."""
    return isinstance(error, FileNotFoundError) or error.errno in _ERRORS_OF_A_NAME


@dataclass(frozen=True)
class File:
    """A file of the site."""

    path: str
    content: bytes
    time_ns: int


def page_time_ns(item: PublicItem) -> int:
    """
    Return the time of the item page's file: when its revision was accepted, its number in the last digits.

    No two revisions share it, so that the file's time tells which revision stands there, without reading it.
    """
    return to_ms(item.revision.accepted_at) * 1_000_000 + item.revision.number % 1_000_000
