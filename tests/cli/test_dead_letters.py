"""`clarion dead-letters`: deliveries that were given up are listed, and tried again."""

import json

import pytest
from redis.asyncio import Redis

from tests.cli.command_acts import run
from tests.notify.factories import a_service, an_event, announce, settings_for
from tests.receiver import a_receiver
from tests.waiting import eventually


async def test_dead_letters_are_listed_and_replayed(
    redis: Redis, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLARION_REDIS_URL", store_url)
    monkeypatch.setenv("CLARION_SHARDS", "2")
    async with a_receiver(*[500] * 4) as endpoint, a_service(redis, settings_for(store_url)) as service:
        made = await service.subscribe(endpoint.url)
        await announce(redis, an_event("e"))
        await eventually(lambda: len(endpoint.requests) == 4)
        listed: list[dict[str, str]] = []

        async def is_listed() -> bool:
            listed[:] = json.loads(await told("dead-letters", "list", "--json"))
            return bool(listed)

        await eventually(is_listed)
        replayed = json.loads(await told("dead-letters", "replay", listed[0]["id"], "--json"))
        await eventually(lambda: len(endpoint.requests) == 5)
        after = json.loads(await told("dead-letters", "list", "--json"))

    assert (listed[0]["kind"], listed[0]["id"], listed[0]["reason"]) == ("delivery", f"e-{made['id']}", "status 500")
    assert replayed == {"replayed": [f"e-{made['id']}"], "missing": []}
    assert after == []


async def told(*arguments: str) -> str:
    """Run the command while this process serves, and return what it prints."""
    result = await run(None, *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout
