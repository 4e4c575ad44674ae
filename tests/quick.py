"""Which tests are quick: those whose code and fixtures start no store and no process."""

from collections.abc import Iterable, Iterator, Mapping
from types import CodeType, FunctionType

import pytest

_STORES = {"server_url", "store_url", "servers_of_cluster"}
_STARTERS = {"embedded_redis", "create_subprocess_exec", "subprocess", "multiprocessing"}


def is_quick(test: pytest.Function) -> bool:
    if _STORES.intersection(test.fixturenames):
        return False
    return _STARTERS.isdisjoint(_reached([*test.fixturenames, test.function.__name__], vars(test.module), set()))


def _reached(names: Iterable[str], namespace: Mapping[str, object], seen: set[object]) -> Iterator[str]:
    """Yield the names, and every name in the code of the tests' own functions and fixtures that they stand for."""
    for name in names:
        yield name
        function = namespace.get(name)
        while hasattr(function, "__wrapped__"):  # a fixture's, a context manager's
            function = function.__wrapped__
        if isinstance(function, FunctionType) and function.__module__.startswith("tests.") and function not in seen:
            seen.add(function)
            yield from _reached(_names_in(function.__code__), function.__globals__, seen)


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)
