"""Batches: a line in, a line out, in order; one bad line stops no other."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.ingest.publishing import batch
from shared.model.errors import Conflict, Refused
from tests.factories import an_item
from tests.ingest_service import Ingest

NDJSON = {"Content-Type": "application/x-ndjson"}


def a_line(external_id: str, **changes: object) -> bytes:
    return json.dumps({"source": "press", "external_id": external_id, **an_item(**changes)}).encode() + b"\n"


async def send(ingest: Ingest, content: bytes) -> list[dict[str, Any]]:  # Any: JSON
    response = await ingest.http.post("/v1/items/batch", content=content, headers=NDJSON)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]


async def test_each_line_is_answered_in_its_place(ingest: Ingest) -> None:
    lines = [
        a_line("a", title="First"),
        b"{not json\n",
        a_line("b", section="sport"),
        b"   \n",
        a_line("c", title="Third"),
        a_line("a", title="First"),
        b"\xff\n",
        a_line("d", title="Last").rstrip(b"\n"),
    ]

    answers = await send(ingest, b"".join(lines))

    assert [(one["line"], one["status"]) for one in answers] == [
        (1, 201), (2, 400), (3, 422), (4, 201), (5, 200), (6, 400), (7, 201),
    ]  # fmt: skip
    assert answers[2]["problem"]["errors"][0]["pointer"] == "/section"
    assert {"id", "revision", "url"} <= set(answers[0])
    assert answers[4]["changed"] is False
    assert len(await ingest.events()) == 3


async def test_each_line_stands_for_itself_before_the_key(ingest: Ingest) -> None:
    ingest.http.headers.update(await ingest.with_key("items:write", sources=("press",)))
    foreign = a_line("b").replace(b'"press"', b'"gazette"')

    answers = await send(ingest, a_line("a") + foreign)

    assert [one["status"] for one in answers] == [201, 403]


async def test_answers_come_while_lines_are_still_sent(ingest: Ingest) -> None:
    may_go_on = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield a_line("a")
        await may_go_on.wait()
        yield a_line("b", title="Second")

    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(ingest.settings.host, ingest.settings.port)
        head = (
            "POST /v1/items/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
            f"Authorization: {ingest.http.headers['authorization']}\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        writer.write(head.encode())
        async for line in slowly():
            writer.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            await writer.drain()
            answer = await reader.readuntil(b'"changed": true}\n')
            assert b'"status": 201' in answer
            may_go_on.set()
        writer.write(b"0\r\n\r\n")
        rest = await reader.readuntil(b"0\r\n\r\n")
        writer.close()
        await writer.wait_closed()
    assert rest.endswith(b"0\r\n\r\n")


async def test_a_client_that_goes_away_leaves_what_it_sent_and_a_service_that_works(ingest: Ingest) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield a_line("a")
        yield a_line("b", title="Second")[:40]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await ingest.http.post("/v1/items/batch", content=broken(), headers=NDJSON)

    assert (await ingest.put("c", an_item(title="Third")))["revision"] == 1


async def test_a_line_over_the_limit_is_read_past(ingest: Ingest) -> None:
    answers = await send(ingest, a_line("a", body="x" * 1_100_000) + a_line("b"))

    assert [one["status"] for one in answers] == [413, 201]


async def test_another_media_type_is_refused(ingest: Ingest) -> None:
    response = await ingest.http.post("/v1/items/batch", content=a_line("a"), headers={"Content-Type": "text/csv"})

    assert response.status_code == 415


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize(
    ("parts", "lines"),
    [
        pytest.param((b"a\nb\n",), [b"a", b"b"], id="whole"),
        pytest.param((b"a", b"a\nb", b"b\n"), [b"aa", b"bb"], id="cut anywhere"),
        pytest.param((b"a\n\n \r\nb",), [b"a", b"b"], id="blank lines"),
        pytest.param((b"a\r\nb\r\n",), [b"a\r", b"b\r"], id="carriage returns are JSON's white space"),
        pytest.param((), [], id="nothing"),
        pytest.param((b"\n\n",), [], id="only blanks"),
    ],
)
async def test_chunks_become_lines(parts: tuple[bytes, ...], lines: list[bytes]) -> None:
    found = [line async for line in batch.lines(chunks(*parts))]

    assert found == lines


async def test_a_long_line_without_end_keeps_no_memory() -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 65_536
        yield b"\nshort\n"

    found = [line async for line in batch.lines(endless())]

    assert [isinstance(line, Refused) for line in found] == [True, False]


async def test_a_batch_ends_after_ten_thousand_lines() -> None:
    async def take(_: bytes) -> batch.LineAnswer:
        return batch.LineAnswer(200, {})

    sent = chunks(*[b"{}\n"] * (batch.MAX_LINES + 5))

    found = [json.loads(answer) async for answer in batch.answers(sent, take, (OSError,))]

    assert [one["status"] for one in found] == [200] * batch.MAX_LINES + [413]


async def test_no_more_lines_are_in_work_than_memory_is_meant_for() -> None:
    at_once = most = 0

    async def take(_: bytes) -> batch.LineAnswer:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        return batch.LineAnswer(200, {})

    found = [answer async for answer in batch.answers(chunks(*[b"{}\n"] * 500), take, (OSError,))]

    assert len(found) == 500
    assert 1 < most <= 16


async def test_what_goes_wrong_with_a_line_stays_with_it() -> None:
    async def take(line: bytes) -> batch.LineAnswer:
        if line == b"taken":
            raise Conflict("taken")
        if line == b"away":
            raise OSError("the store is away")
        return batch.LineAnswer(201, {"id": "x"})

    sent = chunks(b"good\n", b"taken\n", b"away\n", b"good\n")
    found = [json.loads(answer) async for answer in batch.answers(sent, take, (OSError,))]

    assert [one["status"] for one in found] == [201, 409, 503, 201]
