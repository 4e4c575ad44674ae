"""
A Redis Cluster behind the interface of a single server: each command goes to the master that owns its key.

redis-py's own cluster client does not fit: it is not a `Redis`, it sends WAIT to another node than the write before it,
it runs each command of a transaction in a thread with its own event loop, it raises when its pool is used up, and it
closes all connections when one node is down. So this client routes commands, and plain clients talk to the nodes.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as StoreConnectionError
from redis.exceptions import TimeoutError as StoreTimeoutError

from shared.store.cluster_topology import Address, Topology

# Waits in seconds before each repetition of a command whose node is away or no longer the master. A failover that takes
# longer is an error to the caller. The first repetition is immediate: MOVED names the slot's new owner.
_WAITS = (0, 0.05, 0.1, 0.2, 0.4, 0.5)
_AWAY = (StoreConnectionError, StoreTimeoutError, ClusterDownError, OSError)
# A slot that is being moved answers ASK and TRYAGAIN. Scripts need all keys in one place, so wait for the move's end.
_PASSING = (*_AWAY, AskError, TryAgainError)
_EVERYWHERE = frozenset({"SCRIPT FLUSH", "FLUSHALL"})
# Commands without a key go to the node of the commands beside them, or else to the content's master.
_KEYLESS = frozenset({"TIME", "INFO", "PING", "CONFIG GET", "CLUSTER SLOTS", "SCAN", "WAIT"})

# Any: redis-py's types of arguments and of what servers answer.
_Command = tuple[tuple[Any, ...], Mapping[str, Any]]
_Answers = list[Any]


class ClusterClient(Redis):
    """A client that looks like one server. Only a pipeline without MULTI may touch several slots."""

    def __init__(self, seeds: Sequence[Address], home: str, connect: Callable[[Address], Redis]) -> None:
        """`seeds` are asked for the other nodes; commands without a key go to the master of the key `home`."""
        super().__init__()
        self._topology = Topology(seeds, connect)
        self._home = _slot(home)

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # Any: see _Command
        if args[0] == "DBSIZE":
            return sum(await self.on_masters(*args))
        if args[0] in _EVERYWHERE:
            return all(await self.on_masters(*args))
        (answer,) = await self.run([(args, options)], transaction=False)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def on_masters(self, *args: Any) -> _Answers:  # Any: see _Command
        """Send the command to every master and return the answers."""
        nodes = await self._topology.masters()
        # gather's type does not see that redis-py's untyped call returns an awaitable.
        return list(await asyncio.gather(*(node.execute_command(*args) for node in nodes)))  # type: ignore[no-untyped-call]

    async def scan_iter(  # type: ignore[override] # so it is in redis-py, where this base class comes second
        self, match: Any = None, count: int | None = None, _type: str | None = None, **options: Any
    ) -> AsyncIterator[Any]:
        """Yield the names of all keys, master by master."""
        for node in await self._topology.masters():
            async for name in node.scan_iter(match, count, _type, **options):
                yield name

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> "ClusterPipeline":  # noqa: ARG002 - as redis-py has it
        return ClusterPipeline(self, is_transaction=transaction)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: ARG002 - as redis-py has it
        await self._topology.aclose()

    async def run(self, commands: Sequence[_Command], *, transaction: bool) -> _Answers:
        """
        Return each command's answer or error, in order. Raises ConnectionError after the last repetition.

        The commands of one slot go over one connection and are repeated together, so that a WAIT follows its write.
        Commands of slots that have answered are not repeated.
        """
        answers: _Answers = [None] * len(commands)
        waiting = self._by_slot(commands)
        if transaction and len(waiting) > 1:
            raise ResponseError("a transaction must keep to one slot")
        error: Exception | None = None
        for wait in (None, *_WAITS):
            if wait is not None:
                await asyncio.sleep(wait)
            waiting, error = await self._attempt(commands, waiting, answers, transaction=transaction)
            if not waiting:
                return answers
        raise StoreConnectionError(f"the cluster does not answer: {error}") from error

    def _by_slot(self, commands: Sequence[_Command]) -> dict[int, list[int]]:
        """Return the places of the commands by slot; a command without a key goes with the one before it."""
        slots = [_slot_of(args) for args, _ in commands]
        slot = next((known for known in slots if known is not None), self._home)
        places: dict[int, list[int]] = {}
        for place, known in enumerate(slots):
            slot = slot if known is None else known
            places.setdefault(slot, []).append(place)
        return places

    async def _attempt(
        self, commands: Sequence[_Command], waiting: Mapping[int, list[int]], answers: _Answers, *, transaction: bool
    ) -> tuple[dict[int, list[int]], Exception | None]:
        """Send the waiting commands, fill in the answers, and return which to send again, and the last reason."""
        try:
            by_node = await self._topology.by_master(waiting)
        except _AWAY as unknown:
            return dict(waiting), unknown
        sent = [[place for slot in slots for place in waiting[slot]] for slots in by_node.values()]
        outcomes = await asyncio.gather(
            *(_send(node, [commands[place] for place in places], transaction=transaction)
              for node, places in zip(by_node, sent, strict=True))
        )  # fmt: skip
        for places, outcome in zip(sent, outcomes, strict=True):
            for place, answer in zip(places, outcome, strict=True):
                answers[place] = answer
        again: dict[int, list[int]] = {}
        reason: Exception | None = None
        for node, slots in by_node.items():
            for slot in slots:
                for place in waiting[slot]:
                    if isinstance(answers[place], _PASSING):
                        again[slot], reason = waiting[slot], answers[place]
                        self._learn(node, answers[place])
        return again, reason

    def _learn(self, node: Redis, error: Exception) -> None:
        if isinstance(error, MovedError):
            self._topology.move(error.slot_id, Address(error.host, error.port))
        elif isinstance(error, _AWAY):
            self._topology.doubt(node)


class ClusterPipeline(Pipeline):
    """A pipeline that is split by master."""

    def __init__(self, cluster: ClusterClient, *, is_transaction: bool) -> None:
        super().__init__(cluster.connection_pool, cluster.response_callbacks, is_transaction, None)
        self._cluster = cluster

    async def execute(self, raise_on_error: bool = True) -> _Answers:
        try:
            stack = list(self.command_stack)
            answers = await self._cluster.run(stack, transaction=self.is_transaction) if stack else []
            if raise_on_error:
                self.raise_first_error(stack, answers)
            return answers
        finally:
            await self.reset()  # type: ignore[no-untyped-call] # untyped in redis-py


async def _send(node: Redis, commands: Sequence[_Command], *, transaction: bool) -> _Answers:
    """Return the node's answer to each command; if the connection fails, the error for each."""
    try:
        if len(commands) == 1 and not transaction:
            args, options = commands[0]
            return [await node.execute_command(*args, **options)]  # type: ignore[no-untyped-call]
        async with node.pipeline(transaction=transaction) as pipe:
            for args, options in commands:
                pipe.execute_command(*args, **options)
            return await pipe.execute(raise_on_error=False)
    except (RedisError, OSError) as error:
        return [error] * len(commands)


def _slot_of(args: Sequence[Any]) -> int | None:  # Any: see _Command
    name = str(args[0]).upper()
    if name in {"EVALSHA", "EVAL"}:
        return _slot(args[3]) if int(args[2]) else None
    if name in {"XREADGROUP", "XREAD"}:
        streams = next(place for place, part in enumerate(args) if part in ("STREAMS", b"STREAMS"))
        return _slot(args[streams + 1])
    return None if name in _KEYLESS else _slot(args[1])


def _slot(key: str | bytes) -> int:
    return key_slot(key.encode() if isinstance(key, str) else key)
