"""One HTTP/1.1 connection: write a request, read its answer, and know whether another may follow (RFC 9112)."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import httptools

from shared.model.errors import ClarionError

Failure = Literal["dns", "blocked_address", "tls", "connect", "timeout", "too_large"]
"""Why there was no answer."""

MAX_ANSWER_BYTES = 64 * 1024
_MAX_HEAD_BYTES = 64 * 1024
# Once the status is there, the rest of the answer is for people to read and lets the connection be kept.
_REST_SECONDS = 1.0


class NoAnswer(ClarionError):
    """There was no answer, for a reason that machines can read."""

    def __init__(self, reason: Failure, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Disconnected(NoAnswer):
    """The other end closed the connection and had said nothing: on a kept one, perhaps just as we wrote."""

    def __init__(self) -> None:
        super().__init__("connect", "the connection was closed without an answer")


@dataclass(frozen=True)
class Answer:
    """
    What came back; names of headers are in lower case.

    The status decides: a body that is too long, too slow or broken is cut, and changes nothing.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpConnection(asyncio.Protocol):
    """Makes one exchange at a time. httptools, which uvicorn reads requests with, reads the answers."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._asked: asyncio.Future[Answer] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._is_hastened = False
        self._received = 0
        self._begin_answer()

    @property
    def can_be_kept(self) -> bool:
        """Whether the last answer came whole and the connection is still there for another request."""
        return self._is_whole and self._transport is not None and not self._transport.is_closing()

    async def exchange(self, request: bytes, seconds: float) -> Answer:
        """
        Write the request and return its answer; when the time is up, one whose status is there is cut short.

        Raises NoAnswer, Disconnected if not one byte came, and TimeoutError. The connection is closed unless it can be
        kept.
        """
        if self._transport is None or self._transport.is_closing():
            raise Disconnected
        loop = asyncio.get_running_loop()
        self._begin_answer()
        self._received = 0
        self._asked = loop.create_future()
        self._deadline = loop.call_later(seconds, self._on_deadline)
        self._transport.write(request)
        try:
            return await self._asked
        finally:
            self._asked = None
            self._deadline.cancel()
            if not self.can_be_kept:
                self.close()

    def close(self) -> None:
        """Let go of the connection at once, without waiting for its other end."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # create_connection makes a Transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self._received:
            self._fail(Disconnected())
        elif self._has_head:
            self._succeed()  # without a length, the end of the connection is the end of the answer
        else:
            self._fail(NoAnswer("connect", str(exc) if exc else "the connection was closed in the middle of an answer"))

    def data_received(self, data: bytes) -> None:
        if self._asked is None or self._asked.done():
            # What nobody asked for would pass for the answer to the next request.
            self._is_whole = False
            return self.close()
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._is_whole = False
            return self._succeed()
        except httptools.HttpParserError as error:
            self._is_whole = False
            return self._succeed() if self._has_head else self._fail(NoAnswer("connect", f"not HTTP: {error}"))
        if not self._has_head and self._received > _MAX_HEAD_BYTES:
            return self._fail_too_large()
        if self._has_head and not self._asked.done():
            self._hasten()
        return None

    def on_message_begin(self) -> None:
        # A second answer to one request: no later answer on this connection could be told from it.
        self._is_whole = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > _MAX_HEAD_BYTES:
            return self._fail_too_large()
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        return None

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        self._has_head = not self._is_interim

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > MAX_ANSWER_BYTES:
            self._succeed()

    def on_message_complete(self) -> None:
        if self._is_interim:
            return self._begin_answer()
        self._is_whole = self._parser.should_keep_alive() and self._asked is not None and not self._asked.done()
        return self._succeed()

    @property
    def _is_interim(self) -> bool:
        """Whether the status announces another answer (RFC 9110, section 15.2); 101 was not asked for and is final."""
        return 100 <= self._status < 200 and self._status != 101

    def _begin_answer(self) -> None:
        self._status = 0
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._body = bytearray()
        self._has_head = False
        self._is_whole = False
        self._is_hastened = False

    def _hasten(self) -> None:
        """Give the rest of the answer a second, or less if less is left."""
        if self._is_hastened or self._deadline is None:
            return
        self._is_hastened = True
        loop = asyncio.get_running_loop()
        self._deadline.cancel()
        self._deadline = loop.call_at(min(loop.time() + _REST_SECONDS, self._deadline.when()), self._on_deadline)

    def _on_deadline(self) -> None:
        if self._has_head:
            self._succeed()
        else:
            self._fail(TimeoutError())

    def _succeed(self) -> None:
        if self._asked is not None and not self._asked.done():
            self._asked.set_result(Answer(self._status, self._headers, bytes(self._body[:MAX_ANSWER_BYTES])))

    def _fail_too_large(self) -> None:
        self._fail(NoAnswer("too_large", "the answer's header is too long"))

    def _fail(self, error: NoAnswer | TimeoutError) -> None:
        if self._asked is not None and not self._asked.done():
            self._asked.set_exception(error)
