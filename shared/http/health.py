"""The routes that watchers ask: is the service alive, is it ready, and what are its numbers."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.http.gauges import show_disk, show_store
from shared.http.store_numbers import StoreWatch, UnshownNumbers

log = structlog.get_logger()

# Prometheus gives a scrape up after 10 s. A store that hangs must not cost it the numbers of the service itself.
_PATIENCE_SECONDS = 3
# Several watchers, and three services in one process, share one reading of the store.
_FRESH_SECONDS = 1


def health_router(
    ready: Callable[[], Awaitable[bool]],
    store: StoreWatch | None = None,
    output_dir: Path | None = None,
    *,
    backlog: Callable[[], Awaitable[UnshownNumbers]] | None = None,
    trouble: Callable[[], str] = lambda: "",
) -> APIRouter:
    """
    Return `/healthz`, `/readyz` and `/metrics`.

    `/readyz` answers 503 until `ready` says yes, and with the words of `trouble` while there is one.

    `/readyz` tells of the `backlog` too, and is ready in spite of one: the pages can be read. Each `/metrics` reads the
    numbers of the store, and of the disk that holds `output_dir`.
    """
    router = APIRouter(include_in_schema=False)
    gauges = _StoreGauges(store) if store else None

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz")
    async def readyz(response: Response) -> dict[str, str | int | float]:
        reason = trouble()
        if reason or not await ready():
            response.status_code = 503
            return {"status": "not ready", **({"reason": reason} if reason else {})}
        if backlog is None:
            return {"status": "ready"}
        unshown = await backlog()
        return {
            "status": "ready",
            "unshown_items": unshown.waiting,
            "unshown_oldest_seconds": unshown.oldest_seconds,
            "unrenderable_items": unshown.unrenderable,
        }

    @router.get("/metrics")
    async def metrics() -> Response:
        if gauges:
            await gauges.refresh()
        if output_dir:
            show_disk(output_dir)
        return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router


async def store_answers(redis: Redis) -> bool:
    """Whether the store answers."""
    try:
        return bool(await redis.ping())
    except RedisError:
        return False


class _StoreGauges:
    """Brings the gauges of the store up to date, for one scrape at a time."""

    def __init__(self, watch: StoreWatch) -> None:
        self._watch = watch
        self._lock = asyncio.Lock()
        self._read_at = -float(_FRESH_SECONDS)

    async def refresh(self) -> None:
        async with self._lock:
            if time.monotonic() - self._read_at < _FRESH_SECONDS:
                return
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    show_store(await self._watch.read())
            except (RedisError, OSError) as error:  # a timeout is an OSError
                log.warning("numbers.unread", reason=repr(error))
                show_store(None)
            self._read_at = time.monotonic()
