"""How commands work on the store itself: on its machine, by its settings."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.cli.output import fail
from shared.model.errors import ClarionError
from shared.runtime.settings import Settings
from shared.store.layout.number import require_known_layout
from shared.store.redis_client import connect

Result = TypeVar("Result")


def on_store(work: Callable[[Settings, Redis], Awaitable[Result]]) -> Result:
    """Return the result of the work; leave with exit code 1 and the reason where the work fails."""

    async def run() -> Result:
        settings = Settings()
        redis = connect(settings.redis_url)
        try:
            with contextlib.suppress(RedisError, OSError):  # the work meets a store that is away, too
                await require_known_layout(redis)
            return await work(settings, redis)
        finally:
            await redis.aclose()

    try:
        return asyncio.run(run())
    except (ClarionError, OSError, RedisError) as error:
        fail(str(error))
