"""The purge hook: tell a CDN which pages changed, before any subscriber hears of them."""

import asyncio
from collections.abc import Collection, Sequence

import httpx
import structlog

log = structlog.get_logger()

_TIMEOUT_SECONDS = 2
# One retry. A CDN that is down must not hold back the news: its copies then live until they expire.
_ATTEMPTS = 2


class PurgeHook:
    """Calls the addresses of the settings."""

    def __init__(self, urls: Sequence[str] = ()) -> None:
        self._urls = urls

    async def tell(self, paths: Collection[str]) -> None:
        """POST the changed paths, as JSON, to every address at once; return when each has answered or was given up."""
        if not self._urls or not paths:
            return
        body = {"paths": sorted(paths)}
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS) as client:
            await asyncio.gather(*(_tell(client, url, body) for url in self._urls))


async def _tell(client: httpx.AsyncClient, url: str, body: dict[str, list[str]]) -> None:
    reason = ""
    for _ in range(_ATTEMPTS):
        try:
            response = await client.post(url, json=body)
        except httpx.HTTPError as error:
            reason = repr(error)
            continue
        if response.is_success:
            return
        reason = f"status {response.status_code}"
    log.error("purge.failed", url=url, paths=len(body["paths"]), reason=reason)
