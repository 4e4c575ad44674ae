"""
The whole store as an NDJSON archive, and back: what was exported and what was restored hold the same to the last byte.

The first line says what it is, the last how many lines there were and what they hash to, so that half an archive is
known for one. Between them stands each key in one line or several: a long one is cut so that no line grows with it.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.model.errors import Conflict, Invalid

VERSION = 1
_PART = 1000
_SCAN_COUNT = 1000
# Counters of the present moment, and connections: not what the store is.
_LEFT_OUT = ("{site}:rate-limit:",)
_RESTORER = "restored"

# Any, everywhere below: JSON, and redis-py's union of every reply.
Json = dict[str, Any]


@dataclass(frozen=True)
class Summary:
    """What an archive holds."""

    keys: int
    lines: int


class Changed(Conflict):
    """The store was written to while it was exported: the archive may hold halves of one write."""


async def export(redis: Redis, *, now: str) -> AsyncIterator[bytes]:
    """
    Yield the lines of an archive.

    Raises Changed before the last line where a stream grew meanwhile: stop the services, or export a quiet moment.
    """
    digest, lines, names = hashlib.sha256(), 0, 0
    before = await _ends_of_streams(redis)

    def spelled(line: Json) -> bytes:
        nonlocal lines
        raw = json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        digest.update(raw)
        lines += 1
        return raw

    yield spelled({"clarion_archive": VERSION, "exported_at": now})
    for name in sorted([str(name) async for name in redis.scan_iter(count=_SCAN_COUNT)]):
        if name.startswith(_LEFT_OUT):
            continue
        names += 1
        async for part in _parts(redis, name):
            yield spelled({"key": name, **part})
    if await _ends_of_streams(redis) != before:
        raise Changed("the store was written to meanwhile: stop the services, or try again in a quiet moment")
    ending = {"end": True, "keys": names, "lines": lines, "sha256": digest.hexdigest()}
    yield json.dumps(ending).encode() + b"\n"


async def restore(redis: Redis, lines: Iterable[bytes], on_line: Callable[[], None] | None = None) -> Summary:
    """
    Write an archive into an empty store. Raises Conflict for one that is not, Invalid for half an archive.

    The end is checked when everything is written: throw away a store whose restore failed.
    """
    if await redis.dbsize():
        raise Conflict("the store is not empty: restore into a new one")
    digest, count, ending = hashlib.sha256(), 0, None
    for raw in lines:
        line = _line(raw, count)
        if line.get("end"):
            ending = line
            break
        if count == 0 and line.get("clarion_archive") != VERSION:
            raise Invalid("this is no archive of Clarion, or one of another version")
        digest.update(raw)
        if count:
            await _write(redis, line)
        count += 1
        if on_line is not None:
            on_line()
    if ending is None or (ending["lines"], ending["sha256"]) != (count, digest.hexdigest()):
        raise Invalid("the archive is not whole: its end does not fit what came before")
    return Summary(keys=int(ending["keys"]), lines=count)


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
    kind = str(await redis.type(name))
    read = _READERS.get(kind)
    if read is None:
        raise Invalid(f"{name} is a {kind}, which no archive can hold")
    expires: Any = await redis.pexpiretime(name)
    extra = {"expires_ms": expires} if expires > 0 else {}
    async for part in read(redis, name):
        yield {"type": kind, **part, **extra}


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
        # Every server has an order of its own: sorted, two archives of a small hash are the same to the byte.
        yield {"fields": dict(sorted(part.items()))}


async def _sorted_set_parts(redis: Redis, name: str) -> AsyncIterator[Json]:
    for start in range(0, await redis.zcard(name), _PART):
        found: Any = await redis.zrange(name, start, start + _PART - 1, withscores=True)
        # Scores as text: JSON would not say which double it was.
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
    write = _WRITERS.get(line["type"])
    if write is None:
        raise Invalid(f"the archive holds a {line['type']}, which this version does not know")
    await write(redis, name, line)
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
        # A stream that has only groups: made with the first of them, or by an entry that goes again.
        await redis.xgroup_create(name, _RESTORER, id="0", mkstream=True)
        await redis.xgroup_destroy(name, _RESTORER)
    await _command(
        redis,
        *("XSETID", name, line["last_id"], "ENTRIESADDED", line["entries_added"]),
        *("MAXDELETEDID", line["max_deleted_id"]),
    )
    for group in line["groups"]:
        await _write_group(redis, name, group)


async def _write_group(redis: Redis, name: str, group: Json) -> None:
    read = group["entries_read"]
    await redis.xgroup_create(name, group["name"], id=group["last_delivered_id"], entries_read=read)
    for entry, deliveries in group["pending"]:
        try:
            # FORCE makes it pending in nobody's hand: whoever reclaims takes it, and knows how often it was tried.
            await _command(
                redis,
                *("XCLAIM", name, group["name"], _RESTORER, 0, entry),
                *("RETRYCOUNT", deliveries, "FORCE", "JUSTID"),
            )
        except ResponseError as error:
            raise Invalid(f"entry {entry} of {name} cannot be restored: {error}") from error


async def _command(redis: Redis, *parts: str | int) -> None:
    """Send a command whose options redis-py does not offer."""
    await redis.execute_command(*parts)  # type: ignore[no-untyped-call]


_READERS: Mapping[str, Callable[[Redis, str], AsyncIterator[Json]]] = {
    "string": _string_parts,
    "hash": _hash_parts,
    "zset": _sorted_set_parts,
    "list": _list_parts,
    "set": _set_parts,
    "stream": _stream_parts,
}
_WRITERS: Mapping[str, Callable[[Redis, str, Json], Awaitable[None]]] = {
    "string": _write_string,
    "hash": _write_hash,
    "zset": _write_sorted_set,
    "list": _write_list,
    "set": _write_set,
    "stream": _write_stream,
}
