"""The one door for outgoing HTTP: only public addresses, no redirects, one deadline, a capped answer."""

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
from shared.egress.http_connection import Answer, Disconnected, HttpConnection, NoAnswer
from shared.egress.name_resolver import NameResolver


class Egress:
    """Sends requests through the guard. It keeps connections, not cookies, and trusts no environment."""

    def __init__(self, dialer: Dialer, pool: ConnectionPool, deadline: timedelta) -> None:
        self._dialer = dialer
        self._pool = pool
        self._deadline_seconds = deadline.total_seconds()

    async def post(self, url: URL, headers: Mapping[str, str], body: bytes) -> Answer:
        """
        Return what the endpoint answers, within one deadline for everything. Raises NoAnswer.

        A kept connection may be closed by its other end just as we write: that costs one immediate repetition, not an
        attempt.
        """
        origin = origin_of(url)
        head = _head("POST", url, origin, {**headers, "Content-Length": str(len(body))})
        return await self._in_time(origin, head + body)

    async def get(self, url: URL, headers: Mapping[str, str]) -> Answer:
        """Return what is answered to a GET; else as `post`."""
        origin = origin_of(url)
        return await self._in_time(origin, _head("GET", url, origin, headers))

    async def _in_time(self, origin: Origin, request: bytes) -> Answer:
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

    async def _exchange(self, connection: HttpConnection, origin: Origin, request: bytes, ends_at: float) -> Answer:
        # A process that was frozen finds its timers and connections ready at one moment, and would send what another
        # one has delivered since. The loop's clock stands still in a callback, so it cannot be asked.
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
    """Open the door for as long as the block runs."""
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
