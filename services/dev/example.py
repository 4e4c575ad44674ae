"""The example newsroom: where it lies, and how it is published."""

import json
from pathlib import Path

import httpx

from shared.model.errors import ClarionError

EXAMPLE = Path(__file__).parents[2] / "examples" / "newsroom"


def example_items() -> list[bytes]:
    """Return the items, a JSON object each."""
    return (EXAMPLE / "items.ndjson").read_bytes().splitlines()


async def publish_example(client: httpx.AsyncClient) -> int:
    """Publish every item as an admin and return the number of items. Publishing them again changes nothing."""
    headers = {"Content-Type": "application/x-ndjson"}
    response = await client.post("/v1/items/batch", content=b"\n".join(example_items()), headers=headers)
    answers = [json.loads(line) for line in response.raise_for_status().text.splitlines()]
    refused = [answer for answer in answers if answer["status"] not in (200, 201)]
    if refused:
        raise ClarionError(f"{len(refused)} items of the example were refused, the first with {refused[0]}")
    return len(answers)
