"""An endpoint for many thousands of deliveries: as little work for each as HTTP allows."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reply:
    """How to answer: with this status, after so many seconds; status 0 is silence."""

    status: int = 200
    after: float = 0.0


Answering = Callable[[str, str], Reply]
"""Is given a request's path and its webhook-id."""

_ANSWERS = {
    status: f"HTTP/1.1 {status} {words}\r\nContent-Length: 0\r\n\r\n".encode()
    for status, words in ((200, "OK"), (410, "Gone"), (503, "Service Unavailable"))
}


class _Connection(asyncio.Protocol):
    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._received = b""
        self._transport: Any = None  # Any: uvloop's transports are of no class of asyncio's

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (ends := self._received.find(b"\r\n\r\n")) >= 0:
            path, headers = _head(self._received[:ends])
            whole = ends + 4 + int(headers.get(b"content-length", b"0"))
            if len(self._received) < whole:
                return
            self._received = self._received[whole:]
            self._reply(self._answering(path, headers.get(b"webhook-id", b"").decode()))

    def _reply(self, reply: Reply) -> None:
        if not reply.status:
            return
        if reply.after:
            asyncio.get_running_loop().call_later(reply.after, self._write, reply.status)
        else:
            self._write(reply.status)

    def _write(self, status: int) -> None:
        if self._transport is not None:
            self._transport.write(_ANSWERS[status])


def _head(raw: bytes) -> tuple[str, dict[bytes, bytes]]:
    request, *lines = raw.split(b"\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(b":")
        headers[name.lower()] = value.strip()
    return request.split(b" ")[1].decode(), headers


@asynccontextmanager
async def a_sink(answering: Answering, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Listen while the block runs; yields the address that paths are appended to."""
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(answering), host, 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
