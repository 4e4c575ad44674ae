"""Files of the site, whose times come from their data."""

from dataclasses import dataclass

from shared.model.clock import to_ms
from shared.model.items import PublicItem


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
