"""The numbers of the store: how far behind each consumer is, the queue of deliveries, and the server."""

import asyncio
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.model.stream_id import StreamId
from shared.store import keys
from shared.store.item_store import ItemStore
from shared.store.keys import Shard
from shared.store.layout.number import NEWEST_LAYOUT
from shared.store.redis_client import on_masters
from shared.store.site_record import notes_of
from shared.store.vetoed_items import veto_in_words, vetoed_items

_STREAMS = {"items": keys.ITEMS_STREAM, "pages": keys.PAGES_STREAM}
# When the server has lost count of a group's lag, the entries are counted one by one, at most this many.
_COUNTED_AT_MOST = 1000
# Queues read of each shard: 1,000 queues cost the server 1 ms. With more queues the depth is a lower bound.
_QUEUES_AT_MOST = 1000
_NAMED_AT_MOST = 5

_Found = dict[str, Any]  # Any: the server's own names and types


@dataclass(frozen=True)
class GroupNumbers:
    """How far behind one group of consumers is. `oldest_seconds` counts from the writing of the oldest open entry."""

    stream: str
    group: str
    lag: int
    """Entries that no consumer has taken yet."""
    pending: int
    """Entries that a consumer has taken and not acknowledged."""
    oldest_seconds: float


@dataclass(frozen=True)
class UnshownNumbers:
    """What readers do not see though it is public."""

    waiting: int
    """Items that wait for render."""
    oldest_seconds: float
    unrenderable: int
    """Items whose newest public revision cannot be rendered."""


@dataclass(frozen=True)
class QueueNumbers:
    """The deliveries that wait for active endpoints, and the states of all endpoints."""

    waiting: int
    overdue_seconds: float
    """How long the endpoint that is due first has been due."""
    endpoints: Mapping[str, int]
    dead_letters: int


@dataclass(frozen=True)
class ServerNumbers:
    """The server itself. In a cluster each number is the worst of all masters."""

    version: str
    memory_bytes: int
    memory_limit_bytes: int
    """0 for none."""
    append_only: bool
    last_write_ok: bool
    last_rewrite_ok: bool
    file_bytes: int
    replicas: int


@dataclass(frozen=True)
class StoreNumbers:
    """All numbers at one moment."""

    server: ServerNumbers
    groups: Sequence[GroupNumbers]
    unshown: UnshownNumbers
    queue: QueueNumbers
    dead_letters: int
    """Events given up. Deliveries given up are in `queue`."""
    output_refuses_files: bool = False
    """Whether a render says that the volume which holds the site takes no files."""
    epoch: int = 0
    """The epoch of the store's history."""
    held: int = 0
    """Items whose moment has come, in a language or section that the site file does not have."""
    layout: int = NEWEST_LAYOUT
    """The number of the store's layout."""
    refused_editions: Sequence[str] = ()
    """Why the editions of living renders were refused, each reason once."""
    vetoed: Sequence[str] = ()
    """The items that cannot be rendered, each with edition and reason; the last five."""


class StoreWatch:
    """Reads the numbers. The states of endpoints are cached, and read again only when a shard's version has changed."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._items = ItemStore(redis)
        self._endpoints: dict[int, tuple[str | None, Counter[str]]] = {}

    async def read(self) -> StoreNumbers:
        """Return the numbers of this moment. Raises RedisError."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.time()
        pipe.xlen(keys.DEAD_LETTERS)
        pipe.get(keys.SHARDS)
        pipe.exists(keys.OUTPUT_TROUBLE)
        pipe.hget(keys.HISTORY, "epoch")
        pipe.zcard(keys.HELD)
        pipe.get(keys.FORMAT)
        pipe.hgetall(keys.EDITIONS)
        (seconds, microseconds), dead_letters, shards, refuses, epoch, held, layout, editions = await pipe.execute()
        now_ms = int(seconds) * 1000 + int(microseconds) // 1000
        infos, groups, unshown, queue, vetoed = await asyncio.gather(
            on_masters(self._redis, "INFO"),
            self._groups(now_ms),
            unshown_numbers(self._redis, now_ms),
            self._queue(int(shards or 0), now_ms),
            vetoed_items(self._redis, self._items, _NAMED_AT_MOST),
        )
        refused = dict.fromkeys(note.refused for note in notes_of(editions, now_ms).values() if note.refused)
        return StoreNumbers(
            _worst([_server(info) for info in infos]),
            groups,
            unshown,
            queue,
            int(dead_letters),
            output_refuses_files=bool(refuses),
            epoch=int(epoch or 0),
            held=int(held),
            layout=int(layout or 1),
            refused_editions=tuple(refused),
            vetoed=tuple(map(veto_in_words, vetoed)),
        )

    async def _groups(self, now_ms: int) -> list[GroupNumbers]:
        found: list[GroupNumbers] = []
        for name, stream in _STREAMS.items():
            try:
                groups: list[_Found] = await self._redis.xinfo_groups(stream)
            except ResponseError:  # there is no such stream: nothing was ever written to it
                continue
            found += [await self._group(name, stream, group, now_ms) for group in groups]
        return found

    async def _group(self, name: str, stream: str, group: _Found, now_ms: int) -> GroupNumbers:
        untaken = f"({group['last-delivered-id']}"
        pipe = self._redis.pipeline(transaction=False)
        pipe.xpending(stream, group["name"])
        pipe.xrange(stream, min=untaken, count=1 if group["lag"] is not None else _COUNTED_AT_MOST)
        pending, next_entries = await pipe.execute()
        waiting = [pending["min"]] if pending["pending"] else []
        waiting += [next_entries[0][0]] if next_entries else []
        lag = len(next_entries) if group["lag"] is None else int(group["lag"])
        oldest_ms = min((StreamId.parse(entry).milliseconds for entry in waiting), default=now_ms)
        return GroupNumbers(name, group["name"], lag, int(pending["pending"]), max(0, now_ms - oldest_ms) / 1000)

    async def _queue(self, shards: int, now_ms: int) -> QueueNumbers:
        pipe = self._redis.pipeline(transaction=False)
        for shard in map(Shard, range(shards)):
            pipe.get(shard.version)
            pipe.zrange(shard.due, 0, _QUEUES_AT_MOST - 1, withscores=True)
            pipe.xlen(shard.dead_letters)
        answers = await pipe.execute() if shards else []
        versions, due, dead_letters = answers[::3], answers[1::3], answers[2::3]
        endpoints: Counter[str] = Counter(dict.fromkeys(("active", "paused", "disabled"), 0))
        for number, version in enumerate(versions):
            endpoints.update(await self._states(Shard(number), version))
        first_due_ms = min((moment for queues in due for _, moment in queues), default=now_ms)
        return QueueNumbers(
            waiting=await self._waiting(due),
            overdue_seconds=max(0, now_ms - first_due_ms) / 1000,
            endpoints=dict(endpoints),
            dead_letters=sum(dead_letters),
        )

    async def _waiting(self, due: Sequence[Sequence[tuple[Any, float]]]) -> int:  # Any: an id as redis-py types it
        pipe = self._redis.pipeline(transaction=False)
        for number, queues in enumerate(due):
            for subscription, _ in queues:
                pipe.hlen(Shard(number).deliveries(subscription))
        return sum(await pipe.execute()) if any(due) else 0

    async def _states(self, shard: Shard, version: str | None) -> Counter[str]:
        known = self._endpoints.get(shard.number)
        if known is None or known[0] != version:
            records = await self._redis.hvals(shard.subscriptions)
            known = version, Counter(str(json.loads(record)["state"]) for record in records)
            self._endpoints[shard.number] = known
        return known[1]


async def unshown_numbers(redis: Redis, now_ms: int) -> UnshownNumbers:
    """Return how many items wait to be shown, and since when."""
    pipe = redis.pipeline(transaction=False)
    pipe.zcount(keys.UNSHOWN, 0, "+inf")
    pipe.zrangebyscore(keys.UNSHOWN, 0, "+inf", start=0, num=1, withscores=True)
    pipe.zcount(keys.UNSHOWN, "-inf", "(0")
    waiting, first, unrenderable = await pipe.execute()
    since_ms = first[0][1] if first else now_ms
    return UnshownNumbers(int(waiting), max(0, now_ms - since_ms) / 1000, int(unrenderable))


def _ms_of(entry_id: str) -> int:
    return int(entry_id.partition("-")[0])


def _worst(servers: Sequence[ServerNumbers]) -> ServerNumbers:
    fullest = max(servers, key=_fullness)
    return ServerNumbers(
        version=min((server.version for server in servers), key=_release),
        memory_bytes=fullest.memory_bytes,
        memory_limit_bytes=fullest.memory_limit_bytes,
        append_only=all(server.append_only for server in servers),
        last_write_ok=all(server.last_write_ok for server in servers),
        last_rewrite_ok=all(server.last_rewrite_ok for server in servers),
        file_bytes=max(server.file_bytes for server in servers),
        replicas=min(server.replicas for server in servers),
    )


def _fullness(server: ServerNumbers) -> tuple[float, int]:
    return server.memory_bytes / (server.memory_limit_bytes or math.inf), server.memory_bytes


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def _server(info: _Found) -> ServerNumbers:
    return ServerNumbers(
        version=str(info.get("valkey_version") or info["redis_version"]),
        memory_bytes=int(info["used_memory"]),
        memory_limit_bytes=int(info.get("maxmemory", 0)),
        append_only=bool(info["aof_enabled"]),
        last_write_ok=info.get("aof_last_write_status", "ok") == "ok",
        last_rewrite_ok=info.get("aof_last_bgrewrite_status", "ok") == "ok",
        file_bytes=int(info.get("aof_current_size", 0)),
        replicas=int(info.get("connected_slaves", 0)),
    )
