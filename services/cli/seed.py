"""Publish the example newsroom to a running Clarion, as an admin: `python -m services.cli.seed ADDRESS`."""

import asyncio
import sys

import httpx

from services.dev.example import publish_example
from shared.model.errors import ClarionError
from shared.runtime.settings import Settings


async def _seed(address: str) -> None:
    key = Settings().bootstrap_key
    if key is None:
        raise ClarionError("set CLARION_BOOTSTRAP_KEY: without an admin key nothing can be published")
    headers = {"Authorization": f"Bearer {key.get_secret_value()}"}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=60) as client:
        count = await publish_example(client)
    sys.stderr.write(f"published {count} items of the example newsroom\n")


if __name__ == "__main__":
    asyncio.run(_seed(sys.argv[1]))
