"""What a watcher asks every service: alive, ready, and its numbers."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.asyncio import Redis
from redis.exceptions import RedisError


def health_router(ready: Callable[[], Awaitable[bool]]) -> APIRouter:
    """Return `/healthz`, `/readyz` (503 until `ready` says yes) and `/metrics`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz")
    async def readyz(response: Response) -> dict[str, str]:
        if await ready():
            return {"status": "ready"}
        response.status_code = 503
        return {"status": "not ready"}

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router


async def store_answers(redis: Redis) -> bool:
    """Whether the store answers."""
    try:
        return bool(await redis.ping())
    except RedisError:
        return False
