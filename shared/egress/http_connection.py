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
# After the head, wait this long for the body: it is only for people to read, and a complete one lets us reuse the
# connection.
_REST_SECONDS = 1.0


class NoAnswer(ClarionError):
    """There was no answer; `reason` is for machines, `detail` for people."""

    def __init__(self, reason: Failure, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Disconnected(NoAnswer):
    """The server closed the connection without a byte of answer; on a reused connection perhaps before our request."""

    def __init__(self) -> None:
        super().__init__("connect", "the connection was closed without an answer")


@dataclass(frozen=True)
class HttpAnswer:
    """
    An HTTP response; header names are in lower case.

    Only the status decides what becomes of a delivery. So a body that is too long, too slow or broken is cut off.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpConnection(asyncio.Protocol):
    """One exchange at a time. httptools parses the answers, as it parses requests for uvicorn."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[HttpAnswer] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._is_hastened = False
        self._received = 0
        self._begin_answer()

    @property
    def can_be_kept(self) -> bool:
        """Whether the last answer was complete and the connection is open, so that it can take another request."""
        return self._is_whole and self._transport is not None and not self._transport.is_closing()

    async def exchange(self, request: bytes, seconds: float) -> HttpAnswer:
        """
        Write the request and return its answer. If the time is up after the head, return it with a part of the body.

        Raises NoAnswer (Disconnected if no byte came) and TimeoutError. The connection is closed unless it can be kept.
        """
        if self._transport is None or self._transport.is_closing():
            raise Disconnected
        loop = asyncio.get_running_loop()
        self._begin_answer()
        self._received = 0
        self._answer = loop.create_future()
        self._deadline = loop.call_later(seconds, self._on_deadline)
        self._transport.write(request)
        try:
            return await self._answer
        finally:
            self._answer = None
            self._deadline.cancel()
            if not self.can_be_kept:
                self.close()

    def close(self) -> None:
        """Abort the connection."""
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
        if self._answer is None or self._answer.done():
            # Unrequested bytes would be taken for the answer to the next request.
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
        if self._has_head and not self._answer.done():
            self._hasten()
        return None

    def on_message_begin(self) -> None:
        # Two answers to one request: later answers could no longer be matched with their requests.
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
        self._is_whole = self._parser.should_keep_alive() and self._answer is not None and not self._answer.done()
        return self._succeed()

    @property
    def _is_interim(self) -> bool:
        """Whether another answer follows this one (RFC 9110, section 15.2). 101 is final: nobody asks for it."""
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
        """Shorten the deadline to one second from now."""
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
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(HttpAnswer(self._status, self._headers, bytes(self._body[:MAX_ANSWER_BYTES])))

    def _fail_too_large(self) -> None:
        self._fail(NoAnswer("too_large", "the answer's header is too long"))

    def _fail(self, error: NoAnswer | TimeoutError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
