"""Work cut into steps: so much is held, read or done at once, and not more."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Pause = Callable[[], Awaitable[None]]
"""What is done before a step, so that others can go first."""

_T = TypeVar("_T")


def in_steps(items: Sequence[_T], length: int) -> Sequence[Sequence[_T]]:
    """Return the items in their order, so many together."""
    return [items[start : start + length] for start in range(0, len(items), length)]
