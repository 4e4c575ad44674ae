"""Which node of a Redis Cluster owns which slot."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ClusterDownError, RedisError
from redis.exceptions import ConnectionError as StoreConnectionError


@dataclass(frozen=True)
class Address:
    """Host and port of a server."""

    host: str
    port: int


class Topology:
    """The owners of the slots as last heard from a node, and a client for each node."""

    def __init__(self, seeds: Sequence[Address], connect: Callable[[Address], Redis]) -> None:
        self._connect = connect
        self._nodes: dict[Address, Redis] = {}
        self._known = list(seeds)
        self._ranges: list[tuple[int, int, Address]] = []
        self._moved: dict[int, Address] = {}
        self._is_doubtful = True
        self._asking = asyncio.Lock()
        self._turn = 0

    async def by_master(self, slots: Iterable[int]) -> dict[Redis, list[int]]:
        """Return the slots by the client of their master. Raises ConnectionError if no node answers."""
        await self._ask()
        found: dict[Redis, list[int]] = {}
        for slot in slots:
            found.setdefault(self._node(self._owner(slot)), []).append(slot)
        return found

    async def masters(self) -> list[Redis]:
        """Return a client for each master that owns slots."""
        await self._ask()
        return [self._node(address) for address in dict.fromkeys(owner for _, _, owner in self._ranges)]

    def move(self, slot: int, to: Address) -> None:
        """Note the new owner of a slot (MOVED)."""
        self._moved[slot] = to

    def doubt(self, node: Redis) -> None:
        """Note that the node is away: ask another node for the owners before the next command."""
        away = [address for address, known in self._nodes.items() if known is node]
        self._known = [address for address in self._known if address not in away] + away
        self._is_doubtful = True

    async def aclose(self) -> None:
        for node in self._nodes.values():
            await node.aclose()

    def _node(self, address: Address) -> Redis:
        if address not in self._nodes:
            self._nodes[address] = self._connect(address)
        return self._nodes[address]

    def _owner(self, slot: int) -> Address:
        if slot in self._moved:
            return self._moved[slot]
        for first, last, owner in self._ranges:
            if first <= slot <= last:
                return owner
        self._is_doubtful = True
        raise ClusterDownError(f"no master owns slot {slot}")

    async def _ask(self) -> None:
        turn = self._turn
        async with self._asking:
            if self._is_doubtful and turn == self._turn:  # whoever waited for the lock uses the fresh answer
                self._turn += 1
                await self._ask_each()
            if self._is_doubtful:
                raise StoreConnectionError("no node of the cluster answers")

    async def _ask_each(self) -> None:
        for address in tuple(self._known):
            with suppress(RedisError, OSError):
                # Untyped in redis-py.
                shown = await self._node(address).execute_command("CLUSTER SLOTS")  # type: ignore[no-untyped-call]
                self._take(shown, address)
                return

    def _take(self, shown: Any, told_by: Address) -> None:  # Any: lists in lists
        ranges, known = [], [told_by]
        for first, last, *owners in shown:
            addresses = [Address(_text(host) or told_by.host, int(port)) for host, port, *_ in owners]
            ranges.append((int(first), int(last), addresses[0]))
            known += addresses
        self._ranges, self._moved, self._is_doubtful = ranges, {}, False
        self._known = list(dict.fromkeys([*known, *self._known]))


def _text(raw: str | bytes | None) -> str:
    return raw.decode() if isinstance(raw, bytes) else raw or ""
