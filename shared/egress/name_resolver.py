"""Resolve names with a deadline, a cache and a limit per name, in threads of our own."""

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
# A name that does not exist may be made a moment later; one that hung holds a thread, so it waits longer.
_KEEP_FAILURE_SECONDS = 2.0
_KEEP_HANG_SECONDS = 30.0
_NAMES_REMEMBERED = 20_000
# Threads for names that answered last time or are new, and for those that did not: the second kind may hang for long.
_THREADS = 32
_SUSPECT_THREADS = 8


class NameNotResolved(OSError):
    """The name has no address, or none was found in time."""


@dataclass(frozen=True)
class _Answer:
    addresses: tuple[Address, ...]
    problem: str | None
    good_until: float


def system_lookup(host: str) -> Sequence[Address]:
    """Ask the operating system."""
    infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    found = (literal_address(str(info[4][0])) for info in infos)
    return list(dict.fromkeys(address for address in found if address is not None))


class NameResolver:
    """Answers from its cache, or with one lookup per name however many ask."""

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
        self._answers: Lru[str, _Answer] = Lru(_NAMES_REMEMBERED)
        self._in_flight: dict[str, asyncio.Task[_Answer]] = {}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="dns")
        self._suspect_threads = ThreadPoolExecutor(_SUSPECT_THREADS, thread_name_prefix="dns-suspect")
        # What a thread still works on after its deadline: the same name gets no second thread.
        self._hanging: set[str] = set()

    async def resolve(self, host: str) -> tuple[Address, ...]:
        """Return the addresses of `host`. Raises NameNotResolved."""
        answer = self._answers.get(host)
        if answer is None or answer.good_until <= time.monotonic():
            answer = await self._shared_lookup(host)
        if answer.problem is not None:
            raise NameNotResolved(answer.problem)
        return answer.addresses

    def close(self) -> None:
        """Let the threads go; those that hang end by themselves."""
        for task in self._in_flight.values():
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._suspect_threads.shutdown(wait=False, cancel_futures=True)

    async def _shared_lookup(self, host: str) -> _Answer:
        task = self._in_flight.get(host)
        if task is None:
            task = asyncio.create_task(self._look_up(host))
            self._in_flight[host] = task
            task.add_done_callback(lambda _: self._in_flight.pop(host, None))
        # Shielded: who gives up waiting does not take the answer from the others.
        return await asyncio.shield(task)

    async def _look_up(self, host: str) -> _Answer:
        before = self._answers.get(host)
        threads = self._suspect_threads if before is not None and before.problem is not None else self._threads
        answer = await self._ask(host, threads)
        self._answers.put(host, answer)
        return answer

    async def _ask(self, host: str, threads: ThreadPoolExecutor) -> _Answer:
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
        return _Answer(addresses, None, time.monotonic() + self._keep_seconds)


def _failed(problem: str, keep_seconds: float) -> _Answer:
    return _Answer((), problem, time.monotonic() + keep_seconds)
