"""
Export the whole store as an NDJSON archive, and restore it: exporting the restored store gives the same bytes.

The first line names the format, which has the number of the store's layout. The last line counts and hashes the lines
before it, so that half an archive is recognised. Each key takes one line, or several of at most 1,000 elements.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.model.errors import Conflict, Invalid
from shared.store.layout.number import NEWEST_LAYOUT, read_layout

_PART = 1000
_SCAN_COUNT = 1000
# Counters of the present moment.
_LEFT_OUT = ("{site}:rate-limit:",)
_RESTORER = "restored"

# Any, everywhere below: JSON, and redis-py's union of every reply.
Json = dict[str, Any]


@dataclass(frozen=True)
class ArchiveSummary:
    """How many keys and lines an archive has."""

    keys: int
    lines: int


class StoreChanged(Conflict):
    """The store was written to during the export: the archive may hold half of a write."""


async def export(redis: Redis, *, now: str) -> AsyncIterator[bytes]:
    """
    Yield the lines of an archive.

    Raises StoreChanged before the last line if a stream has grown: stop the services, or try in a quiet moment.
    """
    digest, lines, names = hashlib.sha256(), 0, 0
    before = await _ends_of_streams(redis)

    def spelled(line: Json) -> bytes:
        nonlocal lines
        raw = json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        digest.update(raw)
        lines += 1
        return raw

    yield spelled({"clarion_archive": await read_layout(redis), "exported_at": now})
    for name in sorted([str(name) async for name in redis.scan_iter(count=_SCAN_COUNT)]):
        if name.startswith(_LEFT_OUT):
            continue
        names += 1
        async for part in _parts(redis, name):
            yield spelled({"key": name, **part})
    if await _ends_of_streams(redis) != before:
        raise StoreChanged("the store was written to meanwhile: stop the services, or try again in a quiet moment")
    ending = {"end": True, "keys": names, "lines": lines, "sha256": digest.hexdigest()}
    yield json.dumps(ending).encode() + b"\n"


async def restore(redis: Redis, lines: Iterable[bytes], on_line: Callable[[], None] | None = None) -> ArchiveSummary:
    """
    Write an archive into the store. Raises Conflict if the store is not empty, Invalid for half an archive.

    The archive's hash is checked last, so throw away the store if this raises.
    """
    if await redis.dbsize():
        raise Conflict("the store is not empty: restore into a new one")
    digest, count, ending = hashlib.sha256(), 0, None
    for raw in lines:
        line = _line(raw, count)
        if line.get("end"):
            ending = line
            break
        if count == 0 and line.get("clarion_archive") not in range(1, NEWEST_LAYOUT + 1):
            raise Invalid("this is no archive of Clarion, or one that a later release wrote")
        digest.update(raw)
        if count:
            await _write(redis, line)
        count += 1
        if on_line is not None:
            on_line()
    if ending is None or (ending["lines"], ending["sha256"]) != (count, digest.hexdigest()):
        raise Invalid("the archive is not whole: its end does not fit what came before")
    return ArchiveSummary(keys=int(ending["keys"]), lines=count)


def _line(raw: bytes, number: int) -> Json:
    try:
        line: Json = json.loads(raw)
    except ValueError as error:
        raise Invalid(f"line {number + 1} of the archive is not JSON: {error}") from error
    return line


async def _ends_of_streams(redis: Redis) -> Mapping[str, str]:
    names = [str(name) async for name in redis.scan_iter(count=_SCAN_COUNT, _type="stream")]
    ends = {}
    for name in sorted(names):
        info: Any = await redis.xinfo_stream(name)
        ends[name] = str(info["last-generated-id"])
    return ends


async def _parts(redis: Redis, name: str) -> AsyncIterator[Json]:
    type_name = str(await redis.type(name))
    key_type = _KEY_TYPES.get(type_name)
    if key_type is None:
        raise Invalid(f"{name} is a {type_name}, which no archive can hold")
    expires: Any = await redis.pexpiretime(name)
    extra = {"expires_ms": expires} if expires > 0 else {}
    async for part in key_type.read(redis, name):
        yield {"type": type_name, **part, **extra}


async def _string_parts(redis: Redis, name: str) -> AsyncIterator[Json]:
    yield {"value": await redis.get(name)}


async def _hash_parts(redis: Redis, name: str) -> AsyncIterator[Json]:
    part: dict[str, str] = {}
    async for field, value in redis.hscan_iter(name, count=_PART):
        part[str(field)] = str(value)
        if len(part) == _PART:
            yield {"fields": part}
            part = {}
    if part:
        # Each server orders a hash in its own way. Sorted, two archives of a small hash are equal.
        yield {"fields": dict(sorted(part.items()))}


async def _sorted_set_parts(redis: Redis, name: str) -> AsyncIterator[Json]:
    for start in range(0, await redis.zcard(name), _PART):
        found: Any = await redis.zrange(name, start, start + _PART - 1, withscores=True)
        # Scores as text, so that each double is restored exactly.
        yield {"members": [[member, repr(float(score))] for member, score in found]}


async def _list_parts(redis: Redis, name: str) -> AsyncIterator[Json]:
    for start in range(0, await redis.llen(name), _PART):
        yield {"values": await redis.lrange(name, start, start + _PART - 1)}


async def _set_parts(redis: Redis, name: str) -> AsyncIterator[Json]:
    members = sorted([str(member) async for member in redis.sscan_iter(name, count=_PART)])
    for start in range(0, len(members), _PART):
        yield {"values": members[start : start + _PART]}


async def _stream_parts(redis: Redis, name: str) -> AsyncIterator[Json]:
    start = "-"
    while True:
        entries: Any = await redis.xrange(name, start, "+", count=_PART)
        if entries:
            yield {"entries": [[entry, fields] for entry, fields in entries]}
        if len(entries) < _PART:
            break
        start = f"({entries[-1][0]}"
    info: Any = await redis.xinfo_stream(name)
    groups: Any = await redis.xinfo_groups(name)
    yield {
        "last_id": info["last-generated-id"],
        "entries_added": info["entries-added"],
        "max_deleted_id": info["max-deleted-entry-id"],
        "groups": [await _group(redis, name, group) for group in groups],
    }


async def _group(redis: Redis, name: str, group: Json) -> Json:
    pending: list[Any] = []
    start = "-"
    while True:
        some: Any = await redis.xpending_range(name, group["name"], start, "+", _PART)
        pending += [[one["message_id"], one["times_delivered"]] for one in some]
        if len(some) < _PART:
            break
        start = f"({some[-1]['message_id']}"
    return {
        "name": group["name"],
        "last_delivered_id": group["last-delivered-id"],
        "entries_read": group["entries-read"],
        "pending": pending,
    }


async def _write(redis: Redis, line: Json) -> None:
    name = line["key"]
    key_type = _KEY_TYPES.get(line["type"])
    if key_type is None:
        raise Invalid(f"the archive holds a {line['type']}, which this version does not know")
    await key_type.write(redis, name, line)
    if "expires_ms" in line:
        await redis.pexpireat(name, int(line["expires_ms"]))


async def _write_string(redis: Redis, name: str, line: Json) -> None:
    await redis.set(name, line["value"])


async def _write_hash(redis: Redis, name: str, line: Json) -> None:
    await redis.hset(name, mapping=line["fields"])


async def _write_sorted_set(redis: Redis, name: str, line: Json) -> None:
    await redis.zadd(name, {member: float(score) for member, score in line["members"]})


async def _write_list(redis: Redis, name: str, line: Json) -> None:
    await redis.rpush(name, *line["values"])


async def _write_set(redis: Redis, name: str, line: Json) -> None:
    await redis.sadd(name, *line["values"])


async def _write_stream(redis: Redis, name: str, line: Json) -> None:
    if "entries" in line:
        async with redis.pipeline(transaction=False) as pipe:
            for entry, fields in line["entries"]:
                pipe.xadd(name, fields, id=entry)
            await pipe.execute()
        return
    if not await redis.exists(name):
        # A stream without entries: make it with a group that goes again.
        await redis.xgroup_create(name, _RESTORER, id="0", mkstream=True)
        await redis.xgroup_destroy(name, _RESTORER)
    added, deleted = line["entries_added"], line["max_deleted_id"]
    await _command(redis, "XSETID", name, line["last_id"], "ENTRIESADDED", added, "MAXDELETEDID", deleted)
    for group in line["groups"]:
        await _write_group(redis, name, group)


async def _write_group(redis: Redis, name: str, group: Json) -> None:
    read = group["entries_read"]
    await redis.xgroup_create(name, group["name"], id=group["last_delivered_id"], entries_read=read)
    for entry, deliveries in group["pending"]:
        try:
            # FORCE makes the entry pending, with its count of deliveries; the next consumer claims it.
            claim = "XCLAIM", name, group["name"], _RESTORER, 0, entry
            await _command(redis, *claim, "RETRYCOUNT", deliveries, "FORCE", "JUSTID")
        except ResponseError as error:
            raise Invalid(f"entry {entry} of {name} cannot be restored: {error}") from error


async def _command(redis: Redis, *parts: str | int) -> None:
    """Send a command with options that redis-py does not offer."""
    await redis.execute_command(*parts)  # type: ignore[no-untyped-call]


class _KeyType(NamedTuple):
    """How keys of one type are read and written."""

    read: Callable[[Redis, str], AsyncIterator[Json]]
    write: Callable[[Redis, str, Json], Awaitable[None]]


_KEY_TYPES: Mapping[str, _KeyType] = {
    "string": _KeyType(_string_parts, _write_string),
    "hash": _KeyType(_hash_parts, _write_hash),
    "zset": _KeyType(_sorted_set_parts, _write_sorted_set),
    "list": _KeyType(_list_parts, _write_list),
    "set": _KeyType(_set_parts, _write_set),
    "stream": _KeyType(_stream_parts, _write_stream),
}
