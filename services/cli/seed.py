"""Publish the example newsroom to a running Clarion, as an admin: `python -m services.cli.seed ADDRESS`."""

import asyncio
import json
import sys
from pathlib import Path

import httpx

from shared.model.errors import ClarionError
from shared.runtime.settings import Settings

EXAMPLE = Path(__file__).parents[2] / "examples/newsroom/items.ndjson"


async def publish_example(client: httpx.AsyncClient) -> int:
    """Publish every item of the example and return how many there are. Doing it again changes nothing."""
    headers = {"Content-Type": "application/x-ndjson"}
    response = await client.post("/v1/items/batch", content=EXAMPLE.read_bytes(), headers=headers)
    response.raise_for_status()
    answers = [json.loads(line) for line in response.text.splitlines()]
    refused = [answer for answer in answers if answer["status"] not in (200, 201)]
    if refused:
        raise ClarionError(f"{len(refused)} items of the example were refused, the first with {refused[0]}")
    return len(answers)


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
