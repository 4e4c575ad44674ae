"""Resolve names in threads of our own, with a deadline, a cache, and one lookup at a time for each name."""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from shared.egress.address_classes import Address, literal_address
from shared.runtime.lru import Lru

Lookup = Callable[[str], Sequence[Address]]
"""Blocks, and returns the addresses of a name. Raises OSError."""

_DEADLINE_SECONDS = 5.0
# A short cache: long enough for a burst of deliveries, short enough for a move to another address.
_KEEP_SECONDS = 30.0
# A missing name may be created soon, so ask again after 2 s. A name that hung holds a thread, so ask after 30 s.
_KEEP_FAILURE_SECONDS = 2.0
_KEEP_HANG_SECONDS = 30.0
_NAMES_REMEMBERED = 20_000
# Names that failed last time have 8 threads of their own, so that names that hang do not hold up the others.
_THREADS = 32
_SUSPECT_THREADS = 8


class NameNotResolved(OSError):
    """The name has no address, or the lookup took too long."""


@dataclass(frozen=True)
class _Resolution:
    addresses: tuple[Address, ...]
    problem: str | None
    good_until: float


def system_lookup(host: str) -> Sequence[Address]:
    """Return the addresses that the operating system finds."""
    infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    found = (literal_address(str(info[4][0])) for info in infos)
    return list(dict.fromkeys(address for address in found if address is not None))


class NameResolver:
    """Answers from a cache. Callers that ask for the same name at the same time share one lookup."""

    def __init__(
        self,
        lookup: Lookup = system_lookup,
        *,
        deadline_seconds: float = _DEADLINE_SECONDS,
        keep_seconds: float = _KEEP_SECONDS,
    ) -> None:
        self._lookup = lookup
        self._keep_seconds = keep_seconds
        self._deadline_seconds = deadline_seconds
        self._cache: Lru[str, _Resolution] = Lru(_NAMES_REMEMBERED)
        self._in_flight: dict[str, asyncio.Task[_Resolution]] = {}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="dns")
        self._suspect_threads = ThreadPoolExecutor(_SUSPECT_THREADS, thread_name_prefix="dns-suspect")
        # Names whose thread has not returned. They get no second thread.
        self._hanging: set[str] = set()

    async def resolve(self, host: str) -> tuple[Address, ...]:
        """Return the addresses of `host`. Raises NameNotResolved."""
        answer = self._cache.get(host)
        if answer is None or answer.good_until <= time.monotonic():
            answer = await self._shared_lookup(host)
        if answer.problem is not None:
            raise NameNotResolved(answer.problem)
        return answer.addresses

    def close(self) -> None:
        """Cancel the lookups. A thread that hangs ends when the operating system gives up."""
        for task in self._in_flight.values():
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._suspect_threads.shutdown(wait=False, cancel_futures=True)

    async def _shared_lookup(self, host: str) -> _Resolution:
        task = self._in_flight.get(host)
        if task is None:
            task = asyncio.create_task(self._look_up(host))
            self._in_flight[host] = task
            task.add_done_callback(lambda _: self._in_flight.pop(host, None))
        # Shielded: a caller that is cancelled does not cancel the lookup of the others.
        return await asyncio.shield(task)

    async def _look_up(self, host: str) -> _Resolution:
        before = self._cache.get(host)
        threads = self._suspect_threads if before is not None and before.problem is not None else self._threads
        answer = await self._ask(host, threads)
        self._cache.put(host, answer)
        return answer

    async def _ask(self, host: str, threads: ThreadPoolExecutor) -> _Resolution:
        if host in self._hanging:
            return _failed(f"{host} is still being looked up", _KEEP_HANG_SECONDS)
        self._hanging.add(host)
        future = threads.submit(lambda: tuple(self._lookup(host)))
        future.add_done_callback(lambda _: self._hanging.discard(host))
        try:
            async with asyncio.timeout(self._deadline_seconds):
                addresses = await asyncio.wrap_future(future)
        except TimeoutError:
            return _failed(f"{host} was not resolved in time", _KEEP_HANG_SECONDS)
        except (OSError, UnicodeError) as error:
            return _failed(f"{host} does not resolve: {error}", _KEEP_FAILURE_SECONDS)
        if not addresses:
            return _failed(f"{host} has no address", _KEEP_FAILURE_SECONDS)
        return _Resolution(addresses, None, time.monotonic() + self._keep_seconds)


def _failed(problem: str, keep_seconds: float) -> _Resolution:
    return _Resolution((), problem, time.monotonic() + keep_seconds)
