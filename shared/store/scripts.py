"""
Lua scripts: files beside the module that runs them, each one step of the store.

Every script is called in one form: its keys, and one JSON object. `prelude.lua` stands before every script and decodes
the object. Leave out values that are None: cjson decodes null to a value that counts as true. Send ids as strings:
Lua's numbers are doubles. Hot scripts keep the form: measured on fan-out, lease and settle of 64 deliveries each, JSON
takes the server 1 microsecond more for each delivery than positional arguments, and the caller a little less.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, TypeVar

from pydantic_core import to_json
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import NoScriptError

_Name = TypeVar("_Name", bound=str)


class Script:
    """
    A script, run with EVALSHA.

    A server that does not know the script (new, restarted, or just promoted) answers NOSCRIPT. Then the script is run
    with EVAL, which sends the text and has the server remember it.
    """

    def __init__(self, redis: Redis, module: str, name: str, prelude: str = "") -> None:
        """Read the file `name` beside `module`; `prelude` is a second prelude, a file there."""
        parts = (__name__, "prelude.lua"), (module, prelude), (module, name)
        self.text = "".join(_text_beside(beside, file) for beside, file in parts if file)
        self.digest = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        self._redis = redis

    async def __call__(self, keys: Sequence[str], argument: Mapping[str, object]) -> Any:  # Any: what scripts answer
        """Run the script and return its answer. Raises RedisError."""
        command = len(keys), *keys, to_json(argument)
        try:
            return await self._redis.execute_command("EVALSHA", self.digest, *command)  # type: ignore[no-untyped-call]
        except NoScriptError:
            return await self._redis.execute_command("EVAL", self.text, *command)  # type: ignore[no-untyped-call]

    def stage(self, pipeline: Pipeline, keys: Sequence[str], argument: Mapping[str, object]) -> None:
        """Add a call to a pipeline of other commands; with EVAL, so that NOSCRIPT cannot stand among their answers."""
        pipeline.execute_command("EVAL", self.text, len(keys), *keys, to_json(argument))


@dataclass(frozen=True, slots=True)
class ScriptCall:
    """One call of a script among several."""

    script: Script
    keys: Sequence[str]
    argument: Mapping[str, object]


async def run_scripts(redis: Redis, calls: Sequence[ScriptCall]) -> list[Any]:  # Any: what scripts answer
    """
    Run the calls in one pipeline and return their answers in order. Raises RedisError when all of them have run.

    Only calls with unknown scripts are run again, so the first time they may run after the calls behind them.
    redis-py's own `Script` sends SCRIPT EXISTS with every pipeline.
    """
    commands = [(len(call.keys), *call.keys, to_json(call.argument)) for call in calls]
    pipeline = redis.pipeline(transaction=False)
    for call, command in zip(calls, commands, strict=True):
        pipeline.execute_command("EVALSHA", call.script.digest, *command)
    answers = await pipeline.execute(raise_on_error=False)
    unknown = [place for place, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
    if unknown:
        for place in unknown:
            pipeline.execute_command("EVAL", calls[place].script.text, *commands[place])
        for place, answer in zip(unknown, await pipeline.execute(raise_on_error=False), strict=True):
            answers[place] = answer
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers


def _text_beside(module: str, name: str) -> str:
    return files(module.rpartition(".")[0]).joinpath(name).read_text(encoding="utf-8")


def lua_places(names: Iterable[_Name]) -> dict[_Name, int]:
    """Return the different names, each with its place in a Lua table, which counts from 1."""
    return {name: place for place, name in enumerate(dict.fromkeys(names), start=1)}
