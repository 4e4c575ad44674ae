"""Wait for what a test expects, never for a time."""

import asyncio
from collections.abc import Awaitable, Callable

PATIENCE_SECONDS = 30


async def eventually(
    condition: Callable[[], Awaitable[bool] | bool],
    what: str = "the condition",
    *,
    seconds: float = PATIENCE_SECONDS,
    every: float = 0.01,
) -> None:
    """Wait until the condition holds; fail, naming it, when patience is over."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                held = condition()
                if held is True or (not isinstance(held, bool) and await held):
                    return
                await asyncio.sleep(every)
    except TimeoutError:
        raise AssertionError(f"{what} did not come about in {seconds} s") from None
