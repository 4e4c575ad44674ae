"""
Erase an item everywhere: from readers at once, from the store as soon as subscribers have been told.

The wish is kept first, with the revision that it is for: until the erasure is over the item takes no other. The item is
withdrawn with an event that has none of its content. When render has announced that, its revisions, receipts, paths,
dead letters, kept answers and entries in both streams go, and notify is told to forget its deliveries. That last event
stays in the log, so that whoever comes late still hears of it, and so does a stub: the item's identity and the numbers
of its revisions, so that no event id is ever given out twice.
"""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.ingest.contract.answers import Erasure
from services.ingest.publishing.idempotency import IdempotencyKeys
from services.ingest.publishing.publisher import Publisher
from services.ingest.publishing.rules import Actor, unexpected
from shared.model.errors import NotFound, Unavailable
from shared.model.ids import EventId, ItemId, item_id
from shared.model.items import Item, Withdrawal
from shared.store import keys
from shared.store.item_store import ItemStore
from shared.store.scripts import Script
from shared.store.stream_walk import walk

log = structlog.get_logger()

# A request waits so long for render before it answers 202: a batch of render takes less than a second.
_PATIENCE_SECONDS = 5
_LOOK_EVERY_SECONDS = 0.1
_IDLE_SECONDS = 1


@dataclass(frozen=True)
class _PendingErasure:
    """Who wants an item erased."""

    item: ItemId
    actor: Actor
    revision: int | None
    """The newest revision when it was asked for; None in a wish of an older release."""


class Eraser:
    """Erases items; any number of replicas may run one."""

    def __init__(self, redis: Redis, store: ItemStore, publisher: Publisher, idempotency_keys: IdempotencyKeys) -> None:
        self._redis = redis
        self._store = store
        self._publisher = publisher
        self._idempotency_keys = idempotency_keys
        self._script = Script(redis, __name__, "erase_item.lua")
        self._ask = Script(redis, __name__, "ask_erasure.lua")

    async def erase(self, source: str, external_id: str, actor: Actor) -> Erasure:
        """
        Have the item erased; return whether it is already.

        Raises NotFound for one that never was, PreconditionFailed where it is not at the revision that the actor saw.
        """
        wanted = item_id(source, external_id)
        if_match = {} if actor.if_match is None else {"if_match": str(actor.if_match)}
        asked = {"item_id": wanted, "actor": actor.name, "trace_id": actor.trace_id, **if_match}
        latest = await self._ask([keys.item(wanted), keys.ERASURES], asked)
        if latest is None:
            raise NotFound(f'there is no item "{source}/{external_id}"')
        if actor.if_match not in (None, int(latest)):
            raise unexpected(source, external_id, int(latest), actor.if_match)
        pending = _PendingErasure(wanted, Actor(actor.name, actor.trace_id), int(latest))
        erased = await self._step(pending)
        for _ in range(round(_PATIENCE_SECONDS / _LOOK_EVERY_SECONDS)):
            if erased:
                break
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            erased = await self._step(pending)
        return Erasure(id=wanted, source=source, external_id=external_id, erased=erased)

    async def run(self) -> None:
        """Bring to an end what requests did not wait for, until cancelled."""
        while True:
            await asyncio.sleep(_IDLE_SECONDS)
            try:
                for pending in await self._pending():
                    await self._step(pending)
            except (RedisError, OSError, Unavailable) as error:
                log.warning("erasure.waiting", reason=repr(error))

    async def _pending(self) -> Sequence[_PendingErasure]:
        found = await self._redis.hgetall(keys.ERASURES)
        pending = []
        for wanted, spelled in found.items():
            kept = json.loads(spelled)
            actor = Actor(kept["actor"], kept["trace_id"])
            pending.append(_PendingErasure(ItemId(str(wanted)), actor, kept.get("revision")))
        return pending

    async def _step(self, pending: _PendingErasure) -> bool:
        """Do what can be done now; return whether the item is erased."""
        found = await self._store.find(pending.item)
        item = found.item
        if item is None or found.latest is None:
            await self._redis.hdel(keys.ERASURES, pending.item)
            return True
        if not found.latest.is_erased:
            if pending.revision is not None and item.latest > pending.revision:
                # A replica of an older release took it: what was accepted after the wish must not go with it.
                log.error("erasure.overtaken", item_id=item.id, asked_for=pending.revision, latest=item.latest)
                await self._redis.hdel(keys.ERASURES, pending.item)
                return False
            gone = Withdrawal(mode="gone")
            # Another replica may have erased it since it was looked at: then the next look says so.
            with contextlib.suppress(NotFound):
                await self._publisher.withdraw(item.source, item.external_id, gone, pending.actor, erased=True)
            return False
        if item.announced < item.last_event or item.shown != item.public:
            return False
        return await self._forget(item, pending.actor)

    async def _forget(self, item: Item, actor: Actor) -> bool:
        numbers = range(1, item.latest + 1)
        revisions = await self._store.revisions([(item.id, number) for number in numbers])
        paths = sorted({one.path for one in revisions if one is not None and one.path})
        events = {item.event_id_of(number) for number in numbers}
        # The last event has nothing of the content: subscribers may still ask for it.
        told = events - {item.event_id_of(item.last_event)}
        note = {
            "actor": actor.name,
            "act": "erased",
            "item_id": item.id,
            "source": item.source,
            "external_id": item.external_id,
            "revision": str(item.latest),
            "trace_id": actor.trace_id,
        }
        await self._idempotency_keys.forget(item.id)
        done = await self._script(
            [
                *(keys.item(item.id), keys.revisions(item.id), keys.rendered(item.id), keys.receipts(item.id)),
                *(keys.PATHS, keys.ERASURES, keys.ERASED, keys.AUDIT),
                *(keys.ITEMS_STREAM, keys.PAGES_STREAM, keys.DEAD_LETTERS, keys.UNSHOWN),
            ],
            {
                "item_id": item.id,
                "latest": str(item.latest),
                "note": [part for pair in note.items() for part in pair],
                "paths": paths,
                "entries": [
                    await self._entries(keys.ITEMS_STREAM, events),
                    await self._entries(keys.PAGES_STREAM, told),
                    await self._letters(events),
                ],
            },
        )
        if done:
            log.info("item.erased", item_id=item.id, trace_id=actor.trace_id)
        return bool(done)

    async def _entries(self, stream: str, events: set[EventId]) -> list[str]:
        """Return the ids of the stream's entries that carry one of the events: a walk over all of it, done rarely."""
        return [entry async for entry, fields in walk(self._redis, stream) if fields.get("id") in events]

    async def _letters(self, events: set[EventId]) -> list[str]:
        """Return the ids of the dead letters that keep one of the events, or say why it was given up."""
        found = []
        async for letter, fields in walk(self._redis, keys.DEAD_LETTERS):
            kept = json.loads(fields.get("fields", "[]"))
            if not events.isdisjoint(kept):
                found.append(letter)
        return found
