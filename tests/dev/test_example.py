"""The example newsroom is published by one function, and publishing it again changes nothing."""

from pathlib import Path

from redis.asyncio import Redis

from services.dev.example import EXAMPLE, example_items, publish_example
from shared.store import keys
from tests.clarion import running_clarion
from tests.factories import some_settings
from tests.ports import a_free_port
from tests.waiting import eventually


async def test_the_example_newsroom_is_published_once(tmp_path: Path, store_url: str, redis: Redis) -> None:
    port = a_free_port()
    base_url = f"http://127.0.0.1:{port}"
    site_file = EXAMPLE / "site.toml"
    settings = some_settings(tmp_path, store_url, port=port, base_url=base_url, site_file=site_file)
    async with running_clarion(settings) as clarion:
        first = await publish_example(clarion.http)
        await eventually(lambda: _are_all_shown(redis), "the example's pages")
        events = await clarion.http.get("/v1/items?limit=100")

        again = await publish_example(clarion.http)

        assert first == again == len(example_items())
        assert (await clarion.http.get("/v1/items?limit=100")).json() == events.json()


async def _are_all_shown(redis: Redis) -> bool:
    return not await redis.exists(keys.UNSHOWN)
