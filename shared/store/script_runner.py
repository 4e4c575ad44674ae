"""Run Lua scripts many at a time, in one round trip."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from shared.store.scripts import script_text

_Name = TypeVar("_Name", bound=str)


def numbered(names: Iterable[_Name]) -> dict[_Name, int]:
    """Return the different names, each with its place among them as Lua counts."""
    return {name: place for place, name in enumerate(dict.fromkeys(names), start=1)}


@dataclass(frozen=True)
class Call:
    """One call of a script."""

    script: str
    keys: Sequence[str]
    arguments: Sequence[str | int | bytes]


class ScriptRunner:
    """Knows some scripts by their digests. redis-py's own would ask the server, every time, whether it knows them."""

    def __init__(self, redis: Redis, module: str, names: Sequence[str], prelude: str | None = None) -> None:
        """The scripts lie beside `module`; `prelude` is a file that stands before each."""
        self._redis = redis
        beginning = script_text(module, prelude) if prelude else ""
        self._scripts = {name: beginning + script_text(module, name) for name in names}
        self._digests: dict[str, str] = {}

    async def run(self, calls: Sequence[Call]) -> list[Any]:  # Any: what scripts answer
        """Return each call's answer. Raises RedisError; what a call did before that stays done."""
        while calls:
            if not self._digests:
                self._digests = {name: await self._redis.script_load(text) for name, text in self._scripts.items()}
            pipeline = self._redis.pipeline(transaction=False)
            for call in calls:
                pipeline.evalsha(self._digests[call.script], len(call.keys), *call.keys, *call.arguments)
            try:
                return await pipeline.execute()
            except NoScriptError:
                # The server has restarted; of these calls none ran, because it forgot all scripts at once.
                self._digests = {}
        return []
