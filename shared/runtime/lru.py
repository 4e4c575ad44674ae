"""An LRU cache, bounded by the number or by the weight of its values."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Lru(Generic[Key, Value]):
    """Keeps values up to a total weight of `bound`; the least recently used go first. Each weighs 1 by default."""

    def __init__(self, bound: int, weigh: Callable[[Value], int] = lambda _: 1) -> None:
        self._bound = bound
        self._weigh = weigh
        self._weight = 0
        self._kept: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """Return the value, which counts as a use, or None."""
        value = self._kept.get(key)
        if value is not None:
            self._kept.move_to_end(key)
        return value

    def put(self, key: Key, value: Value) -> None:
        """Keep the value, instead of an older one under the same key."""
        self.drop(key)
        self._kept[key] = value
        self._weight += self._weigh(value)
        while self._weight > self._bound:
            self._weight -= self._weigh(self._kept.popitem(last=False)[1])

    def drop(self, key: Key) -> None:
        """Forget the value, if there is one."""
        value = self._kept.pop(key, None)
        if value is not None:
            self._weight -= self._weigh(value)
