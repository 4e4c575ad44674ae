"""Read what a batch of events is about: items, revisions and translation sets, in three round trips to the store."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from services.render.pipeline.showing_plan import ShowingPlan
from shared.model.clock import from_ms, to_ms
from shared.model.events import ItemEvent
from shared.model.ids import ItemId
from shared.model.items import Item, Revision
from shared.store import keys
from shared.store.dead_letters import DeadLetters
from shared.store.item_store import ItemStore
from shared.store.streams import Entry

log = structlog.get_logger()

_CLOCK_SET_BACK_MS = 1000


@dataclass(frozen=True)
class EventRevisions:
    """The revisions that an event is about; None for one that the store does not have."""

    own: Revision | None
    """The event's revision."""
    before: Revision | None
    """The revision that was public before the event."""
    public: Revision | None
    """The revision that is public now."""
    shown: Revision | None
    """The revision that readers see now."""

    @property
    def known(self) -> tuple[Revision, ...]:
        return tuple(one for one in (self.own, self.before, self.public, self.shown) if one is not None)

    @property
    def are_complete(self) -> bool:
        return None not in (self.own, self.before, self.public, self.shown)


@dataclass(frozen=True)
class BatchEvent:
    """An event of a batch with what the store holds of it."""

    entry: Entry
    event: ItemEvent
    item: Item | None
    revisions: EventRevisions


@dataclass(frozen=True)
class Batch:
    """The readable events of a batch, and when they were read by the store's clock."""

    events: Sequence[BatchEvent]
    now: datetime
    read_at: float
    """The same moment by this process's performance counter."""

    def plans(self, clock: "ListingClock") -> Sequence[ShowingPlan]:
        """Return what is to be shown of each item: what is public, or an event's revision that was taken back."""
        of_item: dict[ItemId, list[BatchEvent]] = {}
        items: dict[ItemId, Item] = {}
        for one in self.events:
            if one.item is not None:
                items[one.item.id] = one.item
                of_item.setdefault(one.item.id, []).append(one)
        plans = []
        for number, (item, events) in enumerate(zip(items.values(), of_item.values(), strict=True)):
            earliest = self.now - timedelta(milliseconds=len(of_item) - 1 - number)
            accepted = max(one.event.occurred_at for one in events)
            revisions = {
                revision.number: revision
                for one in events
                for revision in (one.revisions.own, one.revisions.public)
                if revision is not None and revision.number > item.shown and revision.path is not None
            }
            targets = tuple(revisions[number] for number in sorted(revisions, reverse=True))
            plans.append(ShowingPlan(item, events[0].revisions.shown, targets, clock.next(max(earliest, accepted))))
        return plans


class ListingClock:
    """Gives the moments at which listings in feeds begin, each later than the last: feeds keep the events' order."""

    def __init__(self) -> None:
        self._last_ms = 0

    def next(self, earliest: datetime) -> datetime:
        """Return the earliest moment, or the first free one after it."""
        wanted = to_ms(earliest)
        # A batch runs ahead of the clock by less than a second. The store's clock was set back if it is more.
        is_near = self._last_ms - wanted < _CLOCK_SET_BACK_MS
        self._last_ms = max(wanted, self._last_ms + 1) if is_near else wanted
        return from_ms(self._last_ms)


class BatchReader:
    """Reads batches. Entries that are no events are buried on the way."""

    def __init__(self, store: ItemStore, dead_letters: DeadLetters) -> None:
        self._store = store
        self._dead_letters = dead_letters

    async def read(self, entries: Sequence[Entry]) -> Batch:
        """Return the batch of the entries. What it says is public and shown stays fixed while the batch lasts."""
        readable: list[tuple[Entry, ItemEvent]] = []
        for entry in entries:
            event = event_of(entry)
            if event is None:
                await self._dead_letters.bury(keys.ITEMS_STREAM, keys.RENDER_GROUP, entry.id, "not an item's event")
            else:
                readable.append((entry, event))
        now, items = await asyncio.gather(
            self._store.now(), self._store.get_many([event.item_id for _, event in readable])
        )
        read_at = time.perf_counter()
        found = await self._revisions(
            (event.item_id, number)
            for (_, event), item in zip(readable, items, strict=True)
            for number in (event.revision, event.before, item.public if item else 0, item.shown if item else 0)
        )
        events = [
            BatchEvent(
                entry,
                event,
                item,
                EventRevisions(
                    own=found[event.item_id, event.revision],
                    before=found[event.item_id, event.before],
                    public=found[event.item_id, item.public if item else 0],
                    shown=found[event.item_id, item.shown if item else 0],
                ),
            )
            for (entry, event), item in zip(readable, items, strict=True)
        ]
        return Batch(events, now, read_at)

    async def _revisions(self, wanted: Iterable[tuple[ItemId, int]]) -> Mapping[tuple[ItemId, int], Revision | None]:
        names = list(dict.fromkeys(wanted))
        numbered = [name for name in names if name[1]]
        found = dict(zip(numbered, await self._store.revisions(numbered), strict=True))
        return {name: found.get(name) for name in names}


def event_of(entry: Entry) -> ItemEvent | None:
    """Return the event that an entry spells, or None where it spells none."""
    try:
        return ItemEvent.from_fields(entry.fields)
    except ValueError as error:
        log.warning("entry.unreadable", entry=entry.id, reason=str(error))
        return None
