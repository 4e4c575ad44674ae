"""Lua scripts: kept as files beside the module that runs them."""

from importlib.resources import files

from redis.asyncio import Redis
from redis.commands.core import AsyncScript


def load_script(redis: Redis, module: str, name: str) -> AsyncScript:
    """Return the script `name` beside `module`, ready to be called; the server is told of it when it first runs."""
    return redis.register_script(script_text(module, name))


def script_text(module: str, name: str) -> str:
    """Return the text of the script `name` that lies beside `module`."""
    package, _, _ = module.rpartition(".")
    return files(package).joinpath(name).read_text(encoding="utf-8")
