"""A batch: an NDJSON line in, an NDJSON line out, in order, while the request is still being read."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

from services.ingest.contract.item_body import MAX_BODY_BYTES
from shared.http.errors import problem_content
from shared.model.errors import Refused, TooLarge
from shared.runtime.background import cancelled

MAX_LINES = 10_000
# Lines in work at once: they share their syncs to disk. Each may have 1 MiB, so this bounds the memory, too.
_AT_ONCE = 16
# A line of 1 MiB may break a rule in every byte; its answer names the first 20 errors.
_MAX_ERRORS = 20


@dataclass(frozen=True)
class LineAnswer:
    """The answer to a line that was taken in."""

    status: int
    content: dict[str, object]


Take = Callable[[bytes], Awaitable[LineAnswer]]
Line = bytes | Refused
Away = tuple[type[Exception], ...]


async def answers(chunks: AsyncIterator[bytes], take: Take, away: Away) -> AsyncIterator[bytes]:
    """
    Yield the answer to each line, in order, while lines still come in.

    `take` publishes one line. An exception of `away` means that the store is away, and its line is answered 503.
    Reading the request never waits for the client to read answers: many clients send everything first.
    """
    slots = asyncio.Semaphore(_AT_ONCE)
    working: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue()

    async def work(number: int, line: Line) -> bytes:
        try:
            return await _answer(number, line, take, away)
        finally:
            slots.release()

    async def read() -> None:
        try:
            async for number, line in _up_to_limit(lines(chunks)):
                await slots.acquire()
                working.put_nowait(asyncio.create_task(work(number, line)))
        finally:
            working.put_nowait(None)

    reader = asyncio.create_task(read())
    try:
        while (task := await working.get()) is not None:
            yield await task
        await reader
    finally:
        await cancelled(reader)
        unfinished = [task for task in _drained(working) if task is not None]
        await asyncio.gather(*unfinished, return_exceptions=True)


def _drained(queue: asyncio.Queue[asyncio.Task[bytes] | None]) -> Iterator[asyncio.Task[bytes] | None]:
    while not queue.empty():
        yield queue.get_nowait()


async def _up_to_limit(everything: AsyncIterator[Line]) -> AsyncIterator[tuple[int, Line]]:
    """Yield each line with its number, and a refusal in the place of the first line beyond the limit."""
    number = 0
    async for line in everything:
        number += 1
        if number > MAX_LINES:
            yield number, TooLarge(f"a batch has {MAX_LINES} lines at most: send the rest in another")
            return
        yield number, line


async def lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[Line]:
    """Yield each line that is not blank; a line over the limit is skipped and yielded as its refusal."""
    kept = bytearray()
    is_too_long = False
    async for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            kept += part
            if is_too_long or len(kept) > MAX_BODY_BYTES:
                yield TooLarge(f"an item may have {MAX_BODY_BYTES} bytes at most")
            elif kept.strip():
                yield bytes(kept)
            kept.clear()
            is_too_long = False
        kept += rest
        if len(kept) > MAX_BODY_BYTES:
            is_too_long = True
            kept.clear()
    if is_too_long:
        yield TooLarge(f"an item may have {MAX_BODY_BYTES} bytes at most")
    elif kept.strip():
        yield bytes(kept)


async def _answer(number: int, line: Line, take: Take, away: Away) -> bytes:
    try:
        if isinstance(line, Refused):
            raise line
        taken = await take(line)
    except Refused as refused:
        errors = refused.errors[:_MAX_ERRORS]
        problem = problem_content(refused.status, refused.title, refused.detail, errors) | refused.members
        return _as_line({"line": number, "status": refused.status, "problem": problem})
    except away as reason:
        problem = problem_content(503, "Service unavailable", f"not known to be written, repeat it: {reason}")
        return _as_line({"line": number, "status": 503, "problem": problem})
    return _as_line({"line": number, "status": taken.status, **taken.content})


def _as_line(answer: dict[str, object]) -> bytes:
    return json.dumps(answer, ensure_ascii=False).encode() + b"\n"
