"""Large work in small chunks: a bound on what is locked, read or rendered at a time."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Pause = Callable[[], Awaitable[None]]
"""Called before a chunk, so that more urgent work goes first."""

_T = TypeVar("_T")


def chunks_of(items: Sequence[_T], length: int) -> Sequence[Sequence[_T]]:
    """Return the items in their order, `length` to a chunk."""
    return [items[start : start + length] for start in range(0, len(items), length)]
