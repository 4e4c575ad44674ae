"""The door for outgoing HTTP, against real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from aiohttp import web
from yarl import URL

from shared.egress.address_guard import AddressGuard, url_problem
from shared.egress.egress import Egress, open_egress
from shared.egress.http_connection import MAX_ANSWER_BYTES, NoAnswer
from shared.egress.name_resolver import NameResolver
from tests.notify.factories import LOOPBACK
from tests.receiver import Received, a_receiver
from tests.shared.egress.names import Names

DEADLINE = timedelta(seconds=2)
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    async with open_egress(LOOPBACK, DEADLINE) as door:
        yield door


@asynccontextmanager
async def a_server(serve: Serve) -> AsyncIterator[str]:
    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"{}")
            result = serve(reader, writer)
            if asyncio.iscoroutine(result):
                await result
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def post(egress: Egress, url: str) -> int:
    return (await egress.post(URL(url), {}, b"{}")).status


async def refusal(egress: Egress, url: str) -> NoAnswer:
    with pytest.raises(NoAnswer) as caught:
        await post(egress, url)
    return caught.value


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/",
        "http://[::1]:1/",
        "http://[::ffff:127.0.0.1]:1/",
        "http://[64:ff9b::7f00:1]:1/",
        "http://10.0.0.1:1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://0:1/",
        "http://127.1:1/",
        "http://2130706433:1/",
        "http://0x7f000001:1/",
        "http://0x7f.1:1/",
        "http://0177.0.0.1:1/",
        "http://017700000001:1/",
        "http://127.0.0.1.:1/",
        "http://\uff11\uff12\uff17.0.0.1:1/",
        "http://127。0。0。1:1/",
    ],
)
async def test_a_private_address_is_refused_however_it_is_written(url: str) -> None:
    async with open_egress((), DEADLINE) as egress:
        caught = await refusal(egress, url)

    assert caught.reason == "blocked_address"
    assert url_problem(url, AddressGuard()) is not None


@pytest.mark.parametrize(
    "addresses", [["10.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["2606:4700::1", "::1"]]
)
async def test_a_name_is_refused_unless_every_address_of_it_is_public(addresses: list[str]) -> None:
    async with open_egress((), DEADLINE, NameResolver(Names(mixed=[addresses]))) as egress:
        caught = await refusal(egress, "http://mixed.example/")

    assert caught.reason == "blocked_address"
    assert "mixed.example is at" in caught.detail


async def test_the_refusal_names_the_class() -> None:
    async with open_egress((), DEADLINE, NameResolver(Names(inside=[["100.64.1.1"]]))) as egress:
        caught = await refusal(egress, "http://inside.example/")

    assert caught.detail == "inside.example is at 100.64.1.1, which is carrier-grade NAT"


async def test_the_address_connected_to_is_the_one_that_was_checked() -> None:
    names = Names(rebinding=[["127.0.0.1"], ["127.0.0.2"]])
    async with a_receiver() as receiver, open_egress(LOOPBACK, DEADLINE, NameResolver(names)) as egress:
        port = URL(receiver.url).port

        status = await post(egress, f"http://rebinding.example:{port}/")

    assert status == 200
    assert names.asked == ["rebinding.example"]


async def test_a_name_that_turns_to_a_private_address_is_refused_at_the_next_connection() -> None:
    allowed = [network for network in LOOPBACK if network.version == 4]
    names = NameResolver(Names(rebinding=[["127.0.0.1"], ["10.0.0.1"]]), keep_seconds=0)

    def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    async with a_server(serve) as url, open_egress(allowed, DEADLINE, names) as egress:
        target = f"http://rebinding.example:{URL(url).port}/"

        first = await post(egress, target)
        second = await refusal(egress, target)

    assert first == 200
    assert second.reason == "blocked_address"


async def test_a_redirect_is_an_answer_and_is_not_followed(egress: Egress) -> None:
    async with a_receiver() as inside:

        async def redirect(_: Received) -> web.StreamResponse:
            return web.Response(status=307, headers={"Location": inside.url})

        async with a_receiver(answer=redirect) as receiver:
            status = await post(egress, receiver.url)

        assert status == 307
        assert inside.requests == []


@pytest.mark.parametrize("head", [b"Content-Length: 99999999999", b"Transfer-Encoding: chunked", b"Connection: close"])
async def test_an_endless_answer_is_cut_and_its_status_counts(egress: Egress, head: bytes) -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 Oh\r\n" + head + b"\r\n\r\n")
        while True:
            writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n" if b"chunked" in head else b"x" * 4096)
            await writer.drain()

    async with a_server(serve) as url:
        answer = await egress.post(URL(url), {}, b"{}")

    assert answer.status == 500
    assert len(answer.body) == MAX_ANSWER_BYTES


async def test_a_dripping_answer_is_cut_and_its_status_counts(egress: Egress) -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with a_server(serve) as url:
        status = await post(egress, url)

    assert status == 200


async def test_a_dripping_header_runs_into_the_deadline() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-Drip: x\r\n")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with open_egress(LOOPBACK, timedelta(seconds=0.3)) as egress, a_server(serve) as url:
        caught = await refusal(egress, url)

    assert caught.reason == "timeout"


async def test_a_header_that_is_too_long_is_too_large(egress: Egress) -> None:
    def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n")

    async with a_server(serve) as url:
        caught = await refusal(egress, url)

    assert caught.reason == "too_large"


async def test_what_is_no_http_is_no_answer(egress: Egress) -> None:
    def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n\r\n")

    async with a_server(serve) as url:
        caught = await refusal(egress, url)

    assert caught.reason == "connect"


async def test_a_port_where_nobody_listens_is_a_failure_to_connect(egress: Egress) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))

        caught = await refusal(egress, f"http://127.0.0.1:{reserved.getsockname()[1]}/")

    assert caught.reason == "connect"


async def test_tls_that_does_not_hold_is_a_failure_of_tls(egress: Egress) -> None:
    async with a_receiver() as receiver:
        caught = await refusal(egress, receiver.url.replace("http://", "https://"))

    assert caught.reason == "tls"


async def test_a_name_that_does_not_resolve_is_a_failure_of_dns(egress: Egress) -> None:
    caught = await refusal(egress, "http://nowhere.invalid/")

    assert caught.reason == "dns"


async def test_a_kept_connection_that_was_closed_meanwhile_costs_no_attempt(egress: Egress) -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        if connections == 1:
            await reader.readuntil(b"POST")

    async with a_server(serve) as url:
        statuses = [await post(egress, url) for _ in range(3)]

    assert statuses == [200, 200, 200]


async def test_an_answer_is_not_decompressed(egress: Egress) -> None:
    async def bomb(_: Received) -> web.StreamResponse:
        return web.Response(status=500, body=b"\x1f\x8b not really", headers={"Content-Encoding": "gzip"})

    async with a_receiver(answer=bomb) as receiver:
        answer = await egress.post(URL(receiver.url), {}, b"{}")

    assert answer.body == b"\x1f\x8b not really"


async def test_cookies_are_not_kept(egress: Egress) -> None:
    async def set_cookie(_: Received) -> web.StreamResponse:
        return web.Response(headers={"Set-Cookie": "a=b"})

    async with a_receiver(answer=set_cookie) as receiver:
        await post(egress, receiver.url)
        await post(egress, receiver.url)

        assert "cookie" not in receiver.requests[1].headers


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch, egress: Egress) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with a_receiver() as receiver:
        assert await post(egress, receiver.url) == 200


async def test_a_connection_that_was_just_opened_and_says_nothing_costs_an_attempt(egress: Egress) -> None:
    connections = 0

    def serve(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1

    async with a_server(serve) as url:
        caught = await refusal(egress, url)

    assert (caught.reason, connections) == ("connect", 1)


async def test_a_header_with_a_line_break_is_not_sent(egress: Egress) -> None:
    async with a_receiver() as receiver:
        with pytest.raises(ValueError, match="line break"):
            await egress.post(URL(receiver.url), {"X-Own": "a\r\nHost: elsewhere"}, b"{}")

        assert receiver.requests == []
