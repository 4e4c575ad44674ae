"""Write a revision of an item with everything that follows from it, as one step of the store."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from redis.asyncio import Redis

from shared.model.clock import iso, to_ms
from shared.model.events import ItemEventType
from shared.model.items import Item, PublicItem, Revision, UpdateType
from shared.runtime.trace_step import Step
from shared.runtime.tracing import record
from shared.store import keys
from shared.store.replication import Replication
from shared.store.scripts import Script

WriteStatus = Literal["written", "moved", "path", "translation", "erasing"]


@dataclass(frozen=True)
class NewEvent:
    """The event that a write makes; its revision and its place in the item's chain come with the item."""

    type: ItemEventType
    update_type: UpdateType
    occurred_at: datetime
    trace_id: str


@dataclass(frozen=True)
class AuditNote:
    """Who does it, and what it is: `published`, `scheduled`, `withdrawn`, …"""

    actor: str
    act: str
    trace_id: str


@dataclass(frozen=True)
class Write:
    """
    One step of an item: from `before`, which the writer saw and which must still stand, to `after`.

    `public_before` and `public_after` are the revisions decided to be public, None where the item is withdrawn or never
    was public: the reserved path and the place in a translation set follow from them. `revision` is kept under its
    number, `event` tells render, `note` the auditors. What readers see changes when render shows the item.
    """

    write_id: str
    before: Item | None
    after: Item
    public_before: Revision | None = None
    public_after: Revision | None = None
    revision: Revision | None = None
    event: NewEvent | None = None
    note: AuditNote | None = None
    erases: bool = False
    """Whether it is the withdrawal that an erasure makes: an item that is being erased takes no other revision."""


class ItemWriter:
    """Accepts revisions of items. What readers see of an item is changed by render alone, when it shows the item."""

    def __init__(self, redis: Redis, wait_replicas: int = 0) -> None:
        self._redis = redis
        self._script = Script(redis, __name__, "write_item.lua")
        self._replication = Replication(redis, wait_replicas)

    async def write(self, write: Write) -> WriteStatus:
        """
        Do it all, or nothing and say why; a write that was sent before is not done again.

        Raises Unavailable where it is done and not on as many replicas as the settings ask for.
        """
        item_id, began_ns = write.after.id, time.time_ns()
        left = write.public_before.translation_slot if write.public_before else None
        entered = write.public_after.translation_slot if write.public_after else None
        if left == entered:
            left = None
        if write.event is None:
            left = entered = None
        item_key = keys.item(item_id)
        # A script's keys cannot be left out: the item's own stands in for a translation set that is not touched.
        status, _ = await self._run(
            [
                item_key,
                keys.revisions(item_id),
                keys.PATHS,
                keys.SCHEDULED,
                keys.ITEMS_STREAM,
                keys.translation_set(entered[0]) if entered else item_key,
                keys.translation_set(left[0]) if left else item_key,
                keys.AUDIT,
                keys.UNSHOWN,
                keys.ERASURES,
                keys.HISTORY,
            ],
            _spelled(write, left, entered),
        )
        if write.event is not None and status == "written":
            written = write.after.event_id_of(write.after.public)
            record(Step("item.write", written), write.event.trace_id, began_ns, item_id=item_id, event=write.event.type)
        return status

    async def confirm(self) -> None:
        """Return once everything written so far is on as many replicas as the settings ask for."""
        await self._replication.confirm()

    async def _run(self, script_keys: Sequence[str], argument: Mapping[str, object]) -> tuple[WriteStatus, str]:
        answer: tuple[WriteStatus, str]
        if not self._replication.is_wanted:
            answer = await self._script(script_keys, argument)
            return answer
        async with self._redis.pipeline(transaction=False) as pipe:
            self._script.stage(pipe, script_keys, argument)
            (answer,) = await self._replication.execute(pipe)
            return answer


_TranslationSlot = tuple[str, str]
"""A translation set and a language in it."""


def _spelled(write: Write, left: _TranslationSlot | None, entered: _TranslationSlot | None) -> Mapping[str, object]:
    after = write.after
    revision = _dated(write)
    spelled: dict[str, object] = {
        "item_id": after.id,
        "write_id": write.write_id,
        "expected": _standing(write.before),
        "fields": [part for pair in fields_of(after).items() for part in pair],
        "event": _event_fields(write),
        "audit": _audit_fields(write),
        "erases": write.erases,
    }
    if revision is not None:
        spelled["number"] = str(revision.number)
        spelled["document"] = revision.model_dump_json(exclude_defaults=True)
    if write.public_after is not None:
        spelled["path"] = write.public_after.path
    if entered is not None:
        spelled["enter"] = entered[1]
    if left is not None:
        spelled["leave"] = left[1]
    if write.event is not None:
        spelled["epoch"] = str(after.epochs.of(after.public))
    if after.publish_at is not None:
        spelled["publish_at"] = str(to_ms(after.publish_at))
    return spelled


def _dated(write: Write) -> Revision | None:
    """Return the revision to be kept; one that is minor and public now remembers when the last major one was."""
    revision, before, public = write.revision, write.before, write.public_before
    if revision is None or write.event is None:
        return revision
    major_at = None
    if write.event.update_type == "minor" and before is not None and public is not None:
        known = PublicItem(before, public)
        major_at = public.major_at or known.became_public_at
    return revision.model_copy(update={"major_at": major_at})


def fields_of(item: Item) -> dict[str, str]:
    """Return the item as the fields of its hash, without those that render writes when it shows and announces it."""
    return {
        "source": item.source,
        "external_id": item.external_id,
        "state": item.state,
        "latest": str(item.latest),
        "public": str(item.public),
        "content_sha256": item.content_sha256,
        "path": item.path or "",
        "accepted_at": str(to_ms(item.accepted_at)),
        "publish_at": str(to_ms(item.publish_at)) if item.publish_at else "",
        "last_event": str(item.last_event),
        "unrenderable": str(item.unrenderable),
        "unrenderable_reason": item.unrenderable_reason,
        "epochs": str(item.epochs),
    }


def _standing(item: Item | None) -> str:
    """Return what must not have changed meanwhile: the newest and the public revision and the state."""
    return f"{item.latest}:{item.public}:{item.state}" if item else ""


def _event_fields(write: Write) -> list[str]:
    event, before, after = write.event, write.before, write.after
    if event is None:
        return []
    fields = {
        "id": after.event_id_of(after.public),
        "type": event.type,
        "occurred_at": iso(event.occurred_at),
        "trace_id": event.trace_id,
        "item_id": after.id,
        "revision": str(after.public),
        "before": str(before.public if before else 0),
        "previous": str(before.last_event if before else 0),
        "update_type": event.update_type,
    }
    return [part for pair in fields.items() for part in pair]


def _audit_fields(write: Write) -> list[str]:
    note, item = write.note, write.after
    if note is None:
        return []
    fields = {
        "actor": note.actor,
        "act": note.act,
        "item_id": item.id,
        "source": item.source,
        "external_id": item.external_id,
        "revision": str(item.latest),
        "trace_id": note.trace_id,
    }
    return [part for pair in fields.items() for part in pair]
