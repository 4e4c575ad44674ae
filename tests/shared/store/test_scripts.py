"""Lua scripts: one form of a call, alone, among others, and to a server that does not know the script."""

from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.store.scripts import Script, ScriptCall, run_scripts

ROOT = Path(__file__).parents[3]
SCRIPTS = sorted([*ROOT.glob("services/**/*.lua"), *ROOT.glob("shared/**/*.lua")])


async def test_a_script_runs_on_a_server_that_has_forgotten_it(redis: Redis) -> None:
    double = Script(redis, __name__, "double.lua")
    await redis.set("{site}:number", 21)
    before = await double(["{site}:number"], {})

    await redis.script_flush()

    assert (before, await double(["{site}:number"], {})) == (42, 42)


async def test_many_calls_answer_in_their_order_known_to_the_server_or_not(redis: Redis) -> None:
    double = Script(redis, __name__, "double.lua")
    read = Script(redis, "shared.store.item_store", "read_items.lua")
    await redis.set("{site}:number", 21)
    await redis.hset("{site}:hash", "name", "value")
    await redis.script_flush()
    await read(["{site}:hash"], {"fields": ["name"]})

    calls = [ScriptCall(double, ["{site}:number"], {}), ScriptCall(read, ["{site}:hash"], {"fields": ["name"]})] * 2

    assert await run_scripts(redis, calls) == [42, [["value"]], 42, [["value"]]]
    assert await run_scripts(redis, []) == []


async def test_an_error_of_one_call_is_raised_and_the_others_are_done(redis: Redis) -> None:
    bury = Script(redis, "shared.store.dead_letters", "bury_entry.lua")
    adopt = Script(redis, "shared.store.site_record", "adopt_site.lua")
    await redis.set("{site}:text", "no stream")
    wrong = ScriptCall(bury, ["{site}:text", "{site}:dead"], {"group": "g", "entry": "1-0", "reason": "r"})
    right = ScriptCall(adopt, ["{site}:record"], {"fingerprint": "f"})

    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await run_scripts(redis, [wrong, right])

    record = await redis.hgetall("{site}:record")
    assert (record["fingerprint"], record["number"]) == ("f", "1")
    assert int(record["born"]) > 1_700_000_000_000


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_opens_with_its_keys_its_argument_and_what_it_returns(script: Path) -> None:
    header = "".join(line for line in script.read_text().splitlines(keepends=True) if line.startswith("--"))

    assert header.index("\n-- KEYS ") < header.index("\n-- ARGV 1 JSON") < header.index("\n-- Returns ")
