"""Live pages: the changing part of a page, sent as a Server-Sent Event whenever it has changed."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable

import structlog
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from shared.model.errors import Refused
from shared.runtime.background import set_within

log = structlog.get_logger()

_LOOK_EVERY_SECONDS = 1.0
# At most a tenth of the time goes into reading: a page that takes long to read is read less often.
_REST_PER_LOOK = 9
_HEARTBEAT_EVERY_SECONDS = 15.0
_OVER = "event: over\ndata:\n\n"

ReadPart = Callable[[], Awaitable[str]]


def is_stream_wanted(request: Request) -> bool:
    """Whether the script of a page asks for the page's changes; the address is the page's own."""
    return request.headers.get("accept", "").startswith("text/event-stream")


def live_stream(read: ReadPart, stopping: asyncio.Event) -> StreamingResponse:
    """Return an answer that ends when `stopping` is set."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Vary": "Accept, Cookie"}
    return StreamingResponse(live_events(read, stopping), media_type="text/event-stream", headers=headers)


def over() -> Response:
    """Return a stream whose only event says that the page can no longer be shown."""
    return Response(_OVER, headers={"Cache-Control": "no-store"}, media_type="text/event-stream")


async def live_events(read: ReadPart, stopping: asyncio.Event) -> AsyncGenerator[str]:
    """
    Yield `live` with the part of the page, at once and whenever the part has changed.

    `away`: the store does not answer. `over`: the page can no longer be shown, because the session has ended or because
    its subject is gone.
    """
    sent: str | None = None
    said_at = time.monotonic()
    while not stopping.is_set():
        started = time.monotonic()
        try:
            html = await read()
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
        await set_within(stopping, max(_LOOK_EVERY_SECONDS, _REST_PER_LOOK * took))
