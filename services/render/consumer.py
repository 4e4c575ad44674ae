"""From a batch of events to pages that can be read, and only then to an announcement."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from services.render.announcing import GROUP, Announcement, Announcer, announced_event
from services.render.edition import Edition
from services.render.page_graph import Change, listings_concerned, pages_concerned
from services.render.page_writer import PageWriter
from shared import keys
from shared.clock import to_ms
from shared.dead_letters import DeadLetters
from shared.events import ItemEvent
from shared.ids import ItemId
from shared.item_store import ItemStore
from shared.items import Item, Revision
from shared.metrics import render_batch_seconds, visible_seconds
from shared.streams import Entry

log = structlog.get_logger()


@dataclass(frozen=True)
class _Taken:
    """An event of the batch with what the store holds of it."""

    entry: Entry
    event: ItemEvent
    item: Item | None
    revision: Revision | None
    change: Change


class ItemEventConsumer:
    """Renders what events concern."""

    def __init__(
        self,
        store: ItemStore,
        edition: Edition,
        writer: PageWriter,
        announcer: Announcer,
        dead_letters: DeadLetters,
    ) -> None:
        self._store = store
        self._edition = edition
        self._writer = writer
        self._announcer = announcer
        self._dead_letters = dead_letters

    async def on_item_events(self, entries: Sequence[Entry]) -> None:
        """Bring every page of the batch up to date, each once, and announce its events."""
        started = time.perf_counter()
        taken = await self._take(entries)
        pages = pages_concerned([one.change for one in taken], self._edition.site)
        await self._writer.refresh(pages)
        announcements = await self._announcements(taken)
        announced = await self._announcer.announce(announcements)
        took = time.perf_counter() - started
        render_batch_seconds.observe(took)
        await self._observe(taken)
        log.info(
            "batch.rendered",
            events=len(entries),
            announced=announced,
            pages=len(pages),
            took_ms=round(took * 1000),
            trace_ids=[one.event.trace_id for one in taken[:10]],
        )

    async def bury(self, entry: Entry, reason: str) -> None:
        """Give an entry up; the item's later events do not wait for it."""
        event = _event_of(entry)
        if event is None:
            await self._dead_letters.bury(keys.ITEMS_STREAM, GROUP, entry.id, reason)
        else:
            await self._announcer.announce([Announcement(entry, event, None, reason)])

    async def _take(self, entries: Sequence[Entry]) -> Sequence[_Taken]:
        readable: list[tuple[Entry, ItemEvent]] = []
        for entry in entries:
            event = _event_of(entry)
            if event is None:
                await self._dead_letters.bury(keys.ITEMS_STREAM, GROUP, entry.id, "not an item's event")
            else:
                readable.append((entry, event))
        items = await self._store.get_many([event.item_id for _, event in readable])
        wanted = [
            (event.item_id, number)
            for (_, event), item in zip(readable, items, strict=True)
            for number in (event.revision, event.before, item.public if item else 0)
        ]
        found = await self._store.revisions(wanted)
        taken = []
        for place, ((entry, event), item) in enumerate(zip(readable, items, strict=True)):
            revisions = tuple(one for one in found[place * 3 : place * 3 + 3] if one is not None)
            change = Change(revisions, await self._translation_paths(event.item_id, revisions))
            taken.append(_Taken(entry, event, item, found[place * 3], change))
        return taken

    async def _translation_paths(self, item_id: ItemId, revisions: Sequence[Revision]) -> tuple[str, ...]:
        names = {revision.translation_set for revision in revisions if revision.translation_set}
        members: set[ItemId] = set()
        for name in sorted(names):
            members.update((await self._store.translations(name)).values())
        others = await self._store.get_many(sorted(members - {item_id}))
        return tuple(one.path for one in others if one is not None and one.path)

    async def _announcements(self, taken: Sequence[_Taken]) -> Sequence[Announcement]:
        # Read again: rendering may have found an item that cannot be rendered.
        items = await self._store.get_many([one.event.item_id for one in taken])
        return [self._announcement(one, item) for one, item in zip(taken, items, strict=True)]

    def _announcement(self, taken: _Taken, item: Item | None) -> Announcement:
        if item is None or taken.revision is None:
            return Announcement(taken.entry, taken.event, None, "the item is no longer in the store")
        if item.unrenderable == taken.event.revision:
            return Announcement(taken.entry, taken.event, None, item.unrenderable_reason)
        told = announced_event(
            taken.event,
            taken.revision,
            listings_concerned(taken.change),
            (item.source, item.external_id),
            self._edition.base_url,
        )
        return Announcement(taken.entry, taken.event, told)

    async def _observe(self, taken: Sequence[_Taken]) -> None:
        now = to_ms(await self._store.now())
        for one in taken:
            visible_seconds.observe(max(0, now - to_ms(one.event.occurred_at)) / 1000)


def _event_of(entry: Entry) -> ItemEvent | None:
    try:
        return ItemEvent.from_fields(entry.fields)
    except ValueError as error:
        log.warning("entry.unreadable", entry=entry.id, reason=str(error))
        return None
