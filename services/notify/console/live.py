"""Pages that go on changing: the moving part of a page, sent again whenever it has changed, as Server-Sent Events."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable

import structlog
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from shared.model.errors import Refused

log = structlog.get_logger()

_LOOK_EVERY_SECONDS = 1.0
# A page that took long to read is read less often: at most a tenth of the time goes into looking.
_REST_PER_LOOK = 9
_HEARTBEAT_EVERY_SECONDS = 15.0
_OVER = "event: over\ndata:\n\n"

Look = Callable[[], Awaitable[str]]


def is_stream_wanted(request: Request) -> bool:
    """Whether a page is asked for by the script that follows it, at the page's own address."""
    return request.headers.get("accept", "").startswith("text/event-stream")


def live_stream(look: Look, stopping: asyncio.Event) -> StreamingResponse:
    """Return an answer without an end."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Vary": "Accept, Cookie"}
    return StreamingResponse(live_events(look, stopping), media_type="text/event-stream", headers=headers)


def over() -> Response:
    """Return a stream that says nothing but that the page is not to be had any more."""
    return Response(_OVER, headers={"Cache-Control": "no-store"}, media_type="text/event-stream")


async def live_events(look: Look, stopping: asyncio.Event) -> AsyncGenerator[str]:
    """
    Yield `live` with the part of the page, now and whenever it is another one.

    `away` while the store does not answer; `over` when the page is not to be had any more: the session has ended, or
    what it shows is gone.
    """
    sent: str | None = None
    said_at = time.monotonic()
    while not stopping.is_set():
        started = time.monotonic()
        try:
            html = await look()
        except Refused:
            yield _OVER
            return
        except (RedisError, OSError) as error:
            log.warning("console.waiting", reason=repr(error))
            html = ""
        if html != sent:
            sent, said_at = html, time.monotonic()
            yield f"event: live\ndata: {json.dumps(html)}\n\n" if html else "event: away\ndata:\n\n"
        elif time.monotonic() - said_at > _HEARTBEAT_EVERY_SECONDS:
            said_at = time.monotonic()
            yield ": still here\n\n"
        took = time.monotonic() - started
        await _rest(stopping, max(_LOOK_EVERY_SECONDS, _REST_PER_LOOK * took))


async def _rest(stopping: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return
