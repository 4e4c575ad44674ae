"""Idle connections, kept for the next request to the same server."""

import asyncio
import resource
from typing import NamedTuple

from shared.egress.dialer import Origin
from shared.egress.http_connection import HttpConnection

_KEEP_SECONDS = 30.0
_SWEEP_SECONDS = 5.0
# Each takes a file descriptor. The other half is for requests in progress and the rest of the process.
_MOST_KEPT = min(2000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)


class _IdleConnection(NamedTuple):
    connection: HttpConnection
    until: float
    """By the loop's clock."""


class ConnectionPool:
    """Hands out the connection that was used last. So surplus connections stay idle, and are closed after 30 s."""

    def __init__(self) -> None:
        self._kept: dict[Origin, list[_IdleConnection]] = {}
        self._count = 0
        self._sweeping: asyncio.TimerHandle | None = None

    def take(self, origin: Origin) -> HttpConnection | None:
        """Return an open connection to the server, or None."""
        kept = self._kept.get(origin)
        while kept:
            self._count -= 1
            connection = kept.pop().connection
            if connection.can_be_kept:
                return connection
        return None

    def keep(self, origin: Origin, connection: HttpConnection) -> None:
        """Keep the connection for the next request. Close it if the pool is full."""
        if not connection.can_be_kept:
            return None
        if self._count >= _MOST_KEPT:
            return connection.close()
        loop = asyncio.get_running_loop()
        self._kept.setdefault(origin, []).append(_IdleConnection(connection, loop.time() + _KEEP_SECONDS))
        self._count += 1
        if self._sweeping is None:
            self._sweeping = loop.call_later(_SWEEP_SECONDS, self._sweep)
        return None

    def close(self) -> None:
        """Close the idle connections. Whoever uses a connection closes it."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for kept in self._kept.values():
            for one in kept:
                one.connection.close()
        self._kept.clear()

    def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        old, self._kept, self._count, self._sweeping = self._kept, {}, 0, None
        for origin, kept in old.items():
            for one in kept:
                if one.until <= now:
                    one.connection.close()
                elif one.connection.can_be_kept:
                    self._kept.setdefault(origin, []).append(one)
                    self._count += 1
        if self._kept:
            self._sweeping = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)
