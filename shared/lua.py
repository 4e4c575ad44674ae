"""Lua scripts: kept as files beside the module that runs them."""

from importlib.resources import files

from redis.asyncio import Redis
from redis.commands.core import AsyncScript


def load_script(redis: Redis, package: str, name: str) -> AsyncScript:
    """Return the script `name` of `package`, ready to be called; the server is told of it when it first runs."""
    return redis.register_script(files(package).joinpath(name).read_text(encoding="utf-8"))
