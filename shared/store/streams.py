"""
Consume a Redis stream so that nothing is lost: the only file that knows FastStream.

FastStream reads new entries and runs the handler; the rest stands here. A dead or failing consumer leaves entries
behind, and after `claim_after` another consumer claims them: entries delivered once as a batch, the others alone, so
that an entry that kills its handler takes no neighbours with it. The claim on entries in hand is renewed. An entry that
keeps failing is buried. A consumer that has stopped ends the process, because nothing else would start it again.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from faststream import AckPolicy
from faststream.redis import RedisBroker, StreamSub
from faststream.redis.configs.state import RedisConnectionState
from redis.asyncio import Redis
from redis.exceptions import RedisError
from redis.typing import StreamIdT

from shared.model.errors import Unavailable
from shared.runtime.background import GRACE_SECONDS, cancelled
from shared.store.consumer_group import AbandonedEntry, ConsumerGroup
from shared.store.redis_client import connect

log = structlog.get_logger()

# Deliveries of one entry before it is buried. Crashes of a healthy process count too, so not fewer than five.
MAX_DELIVERIES = 5
# BLOCK of XREADGROUP; new entries wake it at once. Must stay below the client's socket timeout.
_BLOCK_MS = 2000
_LOOK_FOR_ABANDONED_SECONDS = 0.5
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
        self._batch_size = batch_size
        self._stopping = False
        self._claiming = asyncio.Lock()
        # Entries may hold bytes that are no text.
        self._redis: Redis = connect(redis_url, decode_responses=False)
        self._members = ConsumerGroup(self._redis, stream, group, self._name)
        self._broker = _Broker(
            redis_url,
            parser=_raw_parser,
            decoder=_raw_decoder,
            graceful_timeout=GRACE_SECONDS,
            logger=logging.getLogger(__name__),
        )
        self._subscriber = self._subscribe()
        self._claimer: asyncio.Task[None] | None = None

    def _subscribe(self) -> Any:  # Any: FastStream's subscriber types are not exported
        subscriber = self._broker.subscriber(
            stream=StreamSub(
                self._stream,
                group=self._group,
                consumer=self._name,
                batch=True,
                max_records=self._batch_size,
                polling_interval=_BLOCK_MS,
            ),
            ack_policy=AckPolicy.MANUAL,
        )
        subscriber(self._on_fresh)
        return subscriber

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Consume while the block runs; leaving it waits for the batches in hand, up to the grace."""
        await self._members.ensure()
        await self._broker.start()
        self._claimer = asyncio.create_task(self._claim_abandoned())
        watchdog = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            self._stopping = True
            await cancelled(watchdog)
            await asyncio.gather(self._broker.stop(), self._stop_claiming(self._claimer))
            await self._redis.aclose()

    async def _stop_claiming(self, claimer: asyncio.Task[None]) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS), self._claiming:
                pass
        await cancelled(claimer)

    @property
    def healthy(self) -> bool:
        """Whether new entries and abandoned ones are taken."""
        return self._subscriber.running and self._claimer is not None and not self._claimer.done()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(1)
            if not self._stopping and not self.healthy:
                log.critical("stream.deaf", stream=self._stream, group=self._group, exit_code=_NO_SUCH_GROUP_EXIT)
                os._exit(_NO_SUCH_GROUP_EXIT)

    async def _on_fresh(self, entries: Any) -> None:  # Any: FastStream must not validate what our decoder made
        await self._work(entries)

    async def _claim_abandoned(self) -> None:
        """Work what dead or failing consumers left behind, until told to stop."""
        found = False
        while not self._stopping:
            try:
                async with self._claiming:
                    found = await self._work_abandoned()
            except _PASSING as error:
                found = False
                log.warning("stream.unclaimed", stream=self._stream, group=self._group, reason=repr(error))
            if not found:
                await asyncio.sleep(_LOOK_FOR_ABANDONED_SECONDS)

    async def _work_abandoned(self) -> bool:
        """Claim and work up to one batch of abandoned entries; return whether there were any."""
        abandoned = await self._members.abandoned(self._claim_after, self._batch_size)
        delivered_once = [one.id for one in abandoned if one.deliveries <= 1]
        if entries := await self._claim(delivered_once):
            log.warning("entries.claimed", stream=self._stream, group=self._group, entries=len(entries))
            await self._work(entries)
        for one in abandoned:
            if one.deliveries > 1 and not self._stopping:
                await self._work_suspect(one)
        return bool(abandoned)

    async def _work_suspect(self, suspect: AbandonedEntry) -> None:
        """Work an entry alone that was delivered more than once: it may be what ended its consumers."""
        for entry in await self._claim([suspect.id]):
            if suspect.deliveries >= MAX_DELIVERIES:
                log.error("entry.buried", stream=self._stream, entry=entry.id, deliveries=suspect.deliveries)
                await self._bury(entry, f"given up after {suspect.deliveries} deliveries")
            else:
                await self._work([entry])

    async def _claim(self, ids: Sequence[StreamIdT]) -> list[Entry]:
        return [_entry(*one) for one in await self._members.claim(ids, self._claim_after)]

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
                if isinstance(error, OSError) and len(entries) > 1:
                    entries = await self._singly(entries)
                    if not entries:
                        return None
                await asyncio.sleep(wait)
                wait = min(wait * 2, 5)

    async def _singly(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Handle each entry alone while a disk takes little or nothing; return those that have to wait."""
        waiting = []
        for entry in entries:
            try:
                await self._handle([entry])
            except _PASSING:
                waiting.append(entry)
            except Exception:
                log.exception("entry.failed", stream=self._stream, entry=entry.id)
        return waiting

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
                await self._members.renew(ids)


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
    message = await original({**raw, "data": []})
    message.raw_message = raw
    return message


async def _raw_decoder(message: Any) -> list[Entry]:
    raw = message.raw_message
    return [_entry(entry_id, fields) for entry_id, fields in zip(raw["message_ids"], raw["data"], strict=True)]


def _entry(entry_id: bytes, fields: Mapping[bytes, bytes]) -> Entry:
    return Entry(entry_id.decode(), {_text(name): _text(value) for name, value in fields.items()})


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
