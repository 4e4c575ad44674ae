"""The only way out by HTTP: public addresses only, no redirects, one deadline for all steps, a capped answer."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta

from yarl import URL

from shared.egress.address_classes import Network
from shared.egress.address_guard import AddressGuard
from shared.egress.connection_pool import ConnectionPool
from shared.egress.dialer import Dialer, Origin, origin_of
from shared.egress.http_connection import Disconnected, HttpAnswer, HttpConnection, NoAnswer
from shared.egress.name_resolver import NameResolver


class Egress:
    """Sends requests to checked addresses. It reuses connections, stores no cookies, and reads no proxy variables."""

    def __init__(self, dialer: Dialer, pool: ConnectionPool, deadline: timedelta) -> None:
        self._dialer = dialer
        self._pool = pool
        self._deadline_seconds = deadline.total_seconds()

    async def post(self, url: URL, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """
        Return what the endpoint answers, within one deadline for everything. Raises NoAnswer.

        The server may close an idle connection while the request is on its way. Then the request is repeated once, at
        once, over a new connection; that is not counted as an attempt.
        """
        origin = origin_of(url)
        head = _head("POST", url, origin, {**headers, "Content-Length": str(len(body))})
        return await self._in_time(origin, head + body)

    async def get(self, url: URL, headers: Mapping[str, str]) -> HttpAnswer:
        """Like `post`, with GET."""
        origin = origin_of(url)
        return await self._in_time(origin, _head("GET", url, origin, headers))

    async def _in_time(self, origin: Origin, request: bytes) -> HttpAnswer:
        ends_at = time.monotonic() + self._deadline_seconds
        try:
            kept = self._pool.take(origin)
            if kept is not None:
                with contextlib.suppress(Disconnected):
                    return await self._exchange(kept, origin, request, ends_at)
            async with asyncio.timeout(ends_at - time.monotonic()):
                opened = await self._dialer.open(origin)
            return await self._exchange(opened, origin, request, ends_at)
        except TimeoutError as error:
            raise NoAnswer("timeout", f"no answer within {self._deadline_seconds:g} s") from error

    async def _exchange(self, connection: HttpConnection, origin: Origin, request: bytes, ends_at: float) -> HttpAnswer:
        # A process that was suspended finds expired timers and open connections at the same moment. Without this check
        # it could send a delivery whose lease has ended, and which another worker has sent since. `loop.time()` does
        # not advance within a callback; the monotonic clock does.
        left = ends_at - time.monotonic()
        if left <= 0:
            connection.close()
            raise TimeoutError
        answer = await connection.exchange(request, left)
        self._pool.keep(origin, connection)
        return answer


@contextlib.asynccontextmanager
async def open_egress(
    allowed: Sequence[Network], deadline: timedelta, names: NameResolver | None = None
) -> AsyncIterator[Egress]:
    """Yield an Egress. Idle connections and DNS threads end with the block."""
    names = names or NameResolver()
    pool = ConnectionPool()
    try:
        yield Egress(Dialer(AddressGuard(allowed), names), pool, deadline)
    finally:
        pool.close()
        names.close()


def _head(method: str, url: URL, origin: Origin, headers: Mapping[str, str]) -> bytes:
    """Return the head of a request. Raises ValueError for a header that would end its line."""
    lines = [f"{method} {url.raw_path_qs} HTTP/1.1", f"Host: {origin.host_header}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
        raise ValueError("a header has a line break in it")
    return f"{head}\r\n\r\n".encode()
