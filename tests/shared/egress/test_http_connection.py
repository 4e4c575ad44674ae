"""What one connection makes of what a server may answer, byte by byte."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from shared.egress.http_connection import Disconnected, HttpAnswer, HttpConnection, NoAnswer
from tests.waiting import eventually

REQUEST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"
PATIENCE_SECONDS = 10
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def connected(serve: Serve) -> AsyncIterator[HttpConnection]:
    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()[:2]
        _, connection = await asyncio.get_running_loop().create_connection(HttpConnection, host, port)
        try:
            yield connection
        finally:
            connection.close()


def answering(*answers: bytes, then_close: bool = False) -> Serve:
    """Return a server that gives one answer to each request, in the pieces that `|` marks."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.readexactly(len(REQUEST))
            for piece in answer.split(b"|"):
                writer.write(piece)
                await writer.drain()
        if not then_close:
            await reader.read()

    return serve


async def exchanged(serve: Serve) -> tuple[HttpAnswer, bool]:
    async with connected(serve) as connection:
        answer = await connection.exchange(REQUEST, PATIENCE_SECONDS)
        return answer, connection.can_be_kept


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        pytest.param(OK, b"ok", id="with its length"),
        pytest.param(b"HTTP/1.1 20|0 OK\r\nConte|nt-Length: 2\r\n|\r\no|k", b"ok", id="in pieces"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", b"ok", id="in chunks"
        ),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", b"", id="without a body"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok", id="after an interim one"),
        pytest.param(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n|" + OK, b"ok", id="after early hints"),
    ],
)
async def test_a_whole_answer_leaves_the_connection_for_the_next(raw: bytes, body: bytes) -> None:
    async with connected(answering(raw, OK)) as connection:
        first = await connection.exchange(REQUEST, PATIENCE_SECONDS)
        second = await connection.exchange(REQUEST, PATIENCE_SECONDS)

    assert (first.status // 100, first.body) == (2, body)
    assert (second.status, second.body) == (200, b"ok")


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", id="it says so"),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", id="HTTP/1.0"),
        pytest.param(OK + b"HTTP/1.1 200 OK\r\n", id="another answer begins"),
        pytest.param(OK + OK, id="two answers"),
        pytest.param(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", id="it upgrades"
        ),
    ],
)
async def test_a_connection_that_cannot_be_trusted_is_not_kept(raw: bytes) -> None:
    answer, can_be_kept = await exchanged(answering(raw))

    assert answer.status in (200, 101)
    assert not can_be_kept


async def test_what_comes_unasked_ends_a_kept_connection() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(REQUEST))
        writer.write(OK)
        await reader.readexactly(1)
        writer.write(OK)
        await reader.read()

    async with connected(serve) as connection:
        await connection.exchange(REQUEST, PATIENCE_SECONDS)
        was_kept = connection.can_be_kept
        assert connection._transport is not None  # noqa: SLF001 - to make the server speak out of turn
        connection._transport.write(b"!")  # noqa: SLF001
        await eventually(lambda: not connection.can_be_kept)

        with pytest.raises(Disconnected):
            await connection.exchange(REQUEST, PATIENCE_SECONDS)

    assert was_kept


async def test_without_a_length_the_end_of_the_connection_is_the_end_of_the_answer() -> None:
    answer, can_be_kept = await exchanged(answering(b"HTTP/1.1 200 OK\r\n\r\nall of| it", then_close=True))

    assert answer.body == b"all of it"
    assert not can_be_kept


async def test_an_answer_that_breaks_off_counts_by_its_status() -> None:
    raw = b"HTTP/1.1 503 Oh\r\nContent-Length: 100\r\nRetry-After: 7\r\n\r\nnot all"

    answer, _ = await exchanged(answering(raw, then_close=True))

    assert (answer.status, answer.headers["retry-after"], answer.body) == (503, "7", b"not all")


async def test_a_broken_body_counts_by_its_status() -> None:
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nno size\r\n"

    answer, can_be_kept = await exchanged(answering(raw))

    assert (answer.status, answer.body, can_be_kept) == (200, b"ok", False)


async def test_a_connection_that_ends_in_the_head_is_no_answer() -> None:
    with pytest.raises(NoAnswer, match="in the middle") as caught:
        await exchanged(answering(b"HTTP/1.1 200 O", then_close=True))

    assert (caught.value.reason, type(caught.value)) == ("connect", NoAnswer)


async def test_a_connection_that_ends_without_a_word_says_so() -> None:
    with pytest.raises(Disconnected):
        await exchanged(answering(b"", then_close=True))


async def test_interim_answers_without_end_run_into_the_deadline() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with connected(serve) as connection:
        with pytest.raises(TimeoutError):
            await connection.exchange(REQUEST, 0.2)

        assert not connection.can_be_kept


async def test_who_stops_waiting_leaves_no_answer_for_the_next() -> None:
    async with connected(answering(b"")) as connection:
        waiting = asyncio.create_task(connection.exchange(REQUEST, PATIENCE_SECONDS))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])

        assert not connection.can_be_kept
