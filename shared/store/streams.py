"""
Consume a Redis stream so that nothing is lost: the only file that knows FastStream.

FastStream reads and runs the handler; what it leaves to its user stands here. A group begins at the first entry.
Entries that a dead or failing consumer left behind are claimed again after `claim_after`, one at a time, so that one
that kills its handler takes no neighbours with it; the claim on entries in hand is renewed. One that keeps failing is
buried. A subscriber that has stopped takes the process with it, because nothing else would ever start it again.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from faststream import AckPolicy
from faststream.redis import RedisBroker, StreamSub
from faststream.redis.configs.state import RedisConnectionState
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError
from redis.typing import StreamIdT

from shared.model.clock import span_ms
from shared.model.errors import Unavailable
from shared.runtime.background import GRACE_SECONDS, cancelled
from shared.store.redis_client import connect

log = structlog.get_logger()

# Deliveries of one entry before it is buried. Crashes of a healthy process count too, so not fewer than five.
MAX_DELIVERIES = 5
# BLOCK of XREADGROUP; new entries wake it at once. Must stay below the client's socket timeout.
_BLOCK_MS = 2000
_NO_SUCH_GROUP_EXIT = 70

# What is wrong outside of us and passes: such a batch is tried again where it is, and never buried for it.
_PASSING = (Unavailable, RedisError, OSError)


@dataclass(frozen=True)
class Entry:
    """An entry of a stream: its id and its fields. A field that is not UTF-8 reads with replacement characters."""

    id: str
    fields: dict[str, str]


Handle = Callable[[Sequence[Entry]], Awaitable[None]]
Bury = Callable[[Entry, str], Awaitable[None]]


class StreamConsumer:
    """
    One consumer of a group.

    `handle` takes a batch and acknowledges in its own script, together with the effects, what it has done; what it
    leaves unacknowledged comes again. `bury` must move an entry to the dead letters and acknowledge it.
    """

    def __init__(
        self,
        redis_url: str,
        stream: str,
        group: str,
        handle: Handle,
        bury: Bury,
        *,
        claim_after: timedelta,
        batch_size: int = 100,
    ) -> None:
        self._stream = stream
        self._group = group
        self._name = f"{socket.gethostname()}-{os.getpid()}"
        self._handle = handle
        self._bury = bury
        self._claim_after = claim_after
        self._stopping = False
        self._redis: Redis = connect(redis_url)
        self._broker = _Broker(
            redis_url,
            parser=_raw_parser,
            decoder=_raw_decoder,
            graceful_timeout=GRACE_SECONDS,
            logger=logging.getLogger(__name__),
        )
        self._subscribers = self._subscribe(batch_size)

    def _subscribe(self, batch_size: int) -> tuple[Any, Any]:  # Any: FastStream's subscriber types are not exported
        fresh = self._broker.subscriber(
            stream=StreamSub(
                self._stream,
                group=self._group,
                consumer=self._name,
                batch=True,
                max_records=batch_size,
                polling_interval=_BLOCK_MS,
            ),
            ack_policy=AckPolicy.MANUAL,
        )
        # A subscriber with min_idle_time only claims, one entry at a time; it never reads new ones.
        abandoned = self._broker.subscriber(
            stream=StreamSub(
                self._stream,
                group=self._group,
                consumer=self._name,
                min_idle_time=span_ms(self._claim_after),
                polling_interval=500,
            ),
            ack_policy=AckPolicy.MANUAL,
        )
        fresh(self._on_fresh)
        abandoned(self._on_abandoned)
        return fresh, abandoned

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Consume while the block runs; leaving it waits for the batch in hand, up to the grace."""
        await self._ensure_group()
        await self._broker.start()
        watchdog = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            self._stopping = True
            await cancelled(watchdog)
            await self._broker.stop()
            await self._redis.aclose()

    @property
    def healthy(self) -> bool:
        """Whether both subscribers are at work."""
        return all(subscriber.running for subscriber in self._subscribers)

    async def _ensure_group(self) -> None:
        # At 0, not at FastStream's `$`: what was published before our first start is ours too.
        try:
            await self._redis.xgroup_create(self._stream, self._group, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(1)
            if not self._stopping and not self.healthy:
                log.critical("stream.deaf", stream=self._stream, group=self._group, exit_code=_NO_SUCH_GROUP_EXIT)
                os._exit(_NO_SUCH_GROUP_EXIT)

    async def _on_fresh(self, entries: Any) -> None:  # Any: FastStream must not validate what our decoder made
        await self._work(entries)

    async def _on_abandoned(self, entries: Any) -> None:  # Any: see _on_fresh
        for entry in entries:
            deliveries = await self._deliveries(entry)
            if deliveries > MAX_DELIVERIES:
                log.error("entry.buried", stream=self._stream, entry=entry.id, deliveries=deliveries)
                await self._bury(entry, f"given up after {deliveries - 1} deliveries")
            elif deliveries:
                await self._work([entry])

    async def _deliveries(self, entry: Entry) -> int:
        pending = await self._redis.xpending_range(self._stream, self._group, entry.id, entry.id, 1)
        return int(pending[0]["times_delivered"]) if pending else 0

    async def _work(self, entries: Sequence[Entry]) -> None:
        async with self._claims_renewed(entries):
            try:
                await self._persist(entries)
            except Exception:
                log.exception("batch.failed", stream=self._stream, entries=len(entries))
                if len(entries) > 1:
                    await self._work_alone(entries)

    async def _work_alone(self, entries: Sequence[Entry]) -> None:
        """Find out which entry broke its batch: the others are done, it stays pending and is claimed later."""
        for entry in entries:
            try:
                await self._persist([entry])
            except Exception:
                log.exception("entry.failed", stream=self._stream, entry=entry.id)

    async def _persist(self, entries: Sequence[Entry]) -> None:
        wait = 0.1
        while True:
            try:
                return await self._handle(entries)
            except _PASSING as error:
                log.warning("batch.waiting", stream=self._stream, entries=len(entries), reason=repr(error))
                await asyncio.sleep(wait)
                wait = min(wait * 2, 5)

    @contextlib.asynccontextmanager
    async def _claims_renewed(self, entries: Sequence[Entry]) -> AsyncIterator[None]:
        task = asyncio.create_task(self._renew([entry.id for entry in entries]))
        try:
            yield
        finally:
            await cancelled(task)

    async def _renew(self, ids: list[StreamIdT]) -> None:
        while True:
            await asyncio.sleep(self._claim_after.total_seconds() / 4)
            with contextlib.suppress(RedisError, OSError):
                await self._redis.xclaim(self._stream, self._group, self._name, 0, ids, justid=True)


class _Connection(RedisConnectionState):
    """Our own client in FastStream's hands: whatever the address names, it is found again after a failover."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    async def connect(self) -> Redis:
        self._client = connect(self._url, decode_responses=False)
        self._connected = True
        return self._client


class _Broker(RedisBroker):
    def __init__(self, store_url: str, **options: Any) -> None:  # Any: the options of RedisBroker
        self._store_url = store_url
        super().__init__("redis://store", **options)

    def _make_connection_state(self, *_: Any) -> _Connection:
        return _Connection(self._store_url)


# Any in the two below: a message and a parser of FastStream, whose types differ between a batch and an entry.
async def _raw_parser(raw: dict[str, Any], original: Callable[[Any], Awaitable[Any]]) -> Any:
    """Leave the entries as they are: FastStream's envelope costs 20 times what the work does."""
    empty: Any = [] if raw["type"] == "bstream" else {b"__data__": b"null"}
    message = await original({**raw, "data": empty})
    message.raw_message = raw
    return message


async def _raw_decoder(message: Any) -> list[Entry]:
    raw = message.raw_message
    bodies = raw["data"] if raw["type"] == "bstream" else [raw["data"]]
    return [
        Entry(entry_id.decode(), {_text(name): _text(value) for name, value in fields.items()})
        for entry_id, fields in zip(raw["message_ids"], bodies, strict=True)
    ]


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
