"""Turn a batch of events into pages on the volume, and announce the events when their pages can be read."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from services.render.output.written import Written
from services.render.pages.edition import Edition
from services.render.pages.kinds import paths_of
from services.render.pages.months import Months, places_left
from services.render.pages.writer import PageWriter
from services.render.pipeline.affected_pages import Change, listings_concerned, lists_concerned, paths_concerned
from services.render.pipeline.announcing import Announcement, Announcer, BatchAge, announced_event
from services.render.pipeline.purging import PurgeHook
from services.render.pipeline.receipts import shown_files
from services.render.search.service import Search
from shared.model.clock import to_ms
from shared.model.events import ItemEvent
from shared.model.ids import ItemId
from shared.model.items import Item, PublicItem, Revision
from shared.runtime.metrics import render_batch_seconds, visible_seconds
from shared.runtime.trace_step import Step
from shared.runtime.tracing import record
from shared.store import keys
from shared.store.dead_letters import DeadLetters
from shared.store.item_store import ItemStore
from shared.store.public_items import PublicItems
from shared.store.receipts import ShownFiles
from shared.store.streams import Entry

log = structlog.get_logger()


@dataclass(frozen=True)
class _EventRevisions:
    """The revisions that an event is about; None for one that the store does not have."""

    own: Revision | None
    """The event's revision."""
    before: Revision | None
    """The revision that readers saw before the event."""
    public: Revision | None
    """The revision that is public now."""

    @property
    def known(self) -> tuple[Revision, ...]:
        return tuple(one for one in (self.own, self.before, self.public) if one is not None)

    @property
    def are_complete(self) -> bool:
        return None not in (self.own, self.before, self.public)


@dataclass(frozen=True)
class _BatchEvent:
    """An event of the batch with what the store holds of it."""

    entry: Entry
    event: ItemEvent
    item: Item | None
    revisions: _EventRevisions
    translations: frozenset[ItemId]
    """The other members of its translation sets, where their pages show something that changed."""

    @property
    def change(self) -> Change:
        """The change without the item's places in months."""
        return Change(self.revisions.known)


class ItemEventConsumer:
    """Renders the pages that events affect."""

    def __init__(  # noqa: PLR0913 - one for each step of a batch
        self,
        edition: Edition,
        *,
        store: ItemStore,
        public_items: PublicItems,
        months: Months,
        writer: PageWriter,
        search: Search,
        purge: PurgeHook,
        announcer: Announcer,
        dead_letters: DeadLetters,
    ) -> None:
        self._site = edition.site
        self._theme = edition.theme
        self._base_url = edition.base_url
        self._feed_formats = edition.feed_formats
        self._store = store
        self._public_items = public_items
        self._months = months
        self._writer = writer
        self._search = search
        self._purge = purge
        self._announcer = announcer
        self._dead_letters = dead_letters

    async def on_item_events(self, entries: Sequence[Entry]) -> None:
        """Bring every page of the batch up to date, each once, and announce its events."""
        started, started_ns = time.perf_counter(), time.time_ns()
        batch = await self._take(entries)
        written, shown = await self._render(batch)
        rendered = time.perf_counter()
        if any(one.revisions.own is not None and one.revisions.own.is_erased for one in batch):
            # The store forgets these paths when they are announced, and a crash must not bring the pages back.
            await self._search.overwrite_removed()
            await self._writer.sync()
        await self._purge.tell(written.changed)
        _trace("render", batch, started_ns, after="item.write")
        visible, visible_ns = time.perf_counter(), time.time_ns()
        announcements = await self._announcements(batch, shown)
        announced = await self._announcer.announce(announcements, BatchAge(_elapsed(rendered), _elapsed(visible)))
        _trace("announce", batch, visible_ns, after="render")
        took = time.perf_counter() - started
        render_batch_seconds.observe(took)
        await self._observe(batch)
        log.info(
            "batch.rendered",
            events=len(entries),
            announced=announced,
            pages=len(written.there),
            changed=len(written.changed),
            took_ms=round(took * 1000),
            trace_ids=[one.event.trace_id for one in batch[:10]],
        )

    async def check(self, entries: Sequence[Entry]) -> None:
        """Write the pages of events again, and announce nothing."""
        await self._render(await self._take(entries))

    async def _render(self, batch: Sequence[_BatchEvent]) -> tuple[Written, Sequence[ShownFiles]]:
        """
        Write the items' pages, then the lists, then remove the pages that no list names any more.

        Return what was written, and for each event the files that show it.
        """
        written = Written()
        others = await self._public_items.by_id({member for one in batch for member in one.translations})
        paths = paths_concerned(one.change for one in batch) | {other.path for other in others.values()}
        left = await self._writer.write_items(paths, written)
        # Read after the item pages are written: only then it is known which revisions can be rendered.
        changes = await self._changes(batch)
        lists = [lists_concerned([change], self._site) for change in changes]
        beside = [await self._change_of_neighbours(changes), await self._change_of_translations(others)]
        await self._writer.write_lists(lists_concerned(beside, self._site).union(*lists), written)
        await self._writer.remove_items(left, written)
        await self._search.refresh({one.event.item_id for one in batch})
        shown = []
        for one, change, pages in zip(batch, changes, lists, strict=True):
            linking = {others[member].path for member in one.translations if member in others}
            listing = [path for page in pages for path in paths_of(page, self._feed_formats)]
            shown.append(shown_files(paths_concerned([change]) | linking, listing, written))
        return written, shown

    async def _changes(self, batch: Sequence[_BatchEvent]) -> Sequence[Change]:
        """Return the change that each event made, with the places in months that its item left and has."""
        now = await self._public_items.by_id({one.event.item_id for one in batch})
        has = await self._months.places_of(list(now.values()))
        vacated = await self._months.vacated([one.event.item_id for one in batch])
        changes = []
        for one in batch:
            left = vacated[one.event.item_id] | frozenset(places_left(one.event.left))
            places = left | has.get(one.event.item_id, frozenset())
            is_seen = bool(left) or self._is_seen_in_lists(one)
            changes.append(Change(one.revisions.known, places, is_seen_in_lists=is_seen))
        return changes

    async def _change_of_neighbours(self, changes: Sequence[Change]) -> Change:
        """Return the change of archive documents that must link to a document which the changes begin."""
        return Change((), await self._months.beside_new({place for change in changes for place in change.places}))

    async def _change_of_translations(self, items: Mapping[ItemId, PublicItem]) -> Change:
        """Return the change of items that only link to a changed one: sitemaps name each item's translations."""
        places = await self._months.places_of(list(items.values()))
        everywhere = (place for one in places.values() for place in one)
        lines = frozenset(one for one in everywhere if one.kind == "archive" and one.listing.kind == "home")
        return Change((), lines)

    def _is_seen_in_lists(self, one: _BatchEvent) -> bool:
        """Whether any list can show the difference that the event made."""
        revisions = one.revisions.known
        if one.item is None or not one.event.before or not one.revisions.are_complete:
            return True
        if any(revision.withdrawal or revision.path is None for revision in revisions):
            return True
        try:
            looks = {
                (self._theme.card(PublicItem(one.item, each)), each.published_at, frozenset(each.tags), each.section)
                for each in revisions
            }
        except Exception:  # noqa: BLE001 - one revision cannot be rendered, so lists may change
            return True
        return len(looks) > 1

    async def bury(self, entry: Entry, reason: str) -> None:
        """Move an entry to the dead letters; the item's later events do not wait for it."""
        event = _event_of(entry)
        if event is None:
            await self._dead_letters.bury(keys.ITEMS_STREAM, keys.RENDER_GROUP, entry.id, reason)
        else:
            await self._announcer.announce([Announcement(entry, event, None, reason)])

    async def _take(self, entries: Sequence[Entry]) -> Sequence[_BatchEvent]:
        readable: list[tuple[Entry, ItemEvent]] = []
        for entry in entries:
            event = _event_of(entry)
            if event is None:
                await self._dead_letters.bury(keys.ITEMS_STREAM, keys.RENDER_GROUP, entry.id, "not an item's event")
            else:
                readable.append((entry, event))
        items = await self._store.get_many([event.item_id for _, event in readable])
        wanted = [
            (event.item_id, number)
            for (_, event), item in zip(readable, items, strict=True)
            for number in (event.revision, event.before, item.public if item else 0)
        ]
        found = iter(await self._store.revisions(wanted))
        groups = [_EventRevisions(own=next(found), before=next(found), public=next(found)) for _ in readable]
        sets = await self._store.translation_sets(
            {one.translation_set for group in groups for one in group.known if one.translation_set}
        )
        batch = []
        for (entry, event), item, revisions in zip(readable, items, groups, strict=True):
            members = {
                member
                for one in revisions.known
                if one.translation_set and _is_seen_in_translations(revisions)
                for member in sets[one.translation_set].values()
            }
            batch.append(_BatchEvent(entry, event, item, revisions, frozenset(members - {event.item_id})))
        return batch

    async def _announcements(self, batch: Sequence[_BatchEvent], shown: Sequence[ShownFiles]) -> Sequence[Announcement]:
        # Read again: rendering may have found an item that cannot be rendered.
        items = await self._store.get_many([one.event.item_id for one in batch])
        return [self._announcement(one, item, files) for one, item, files in zip(batch, items, shown, strict=True)]

    def _announcement(self, one: _BatchEvent, item: Item | None, shown: ShownFiles) -> Announcement:
        if item is None or one.revisions.own is None:
            return Announcement(one.entry, one.event, None, "the item is no longer in the store")
        if item.unrenderable == one.event.revision:
            return Announcement(one.entry, one.event, None, item.unrenderable_reason)
        told = announced_event(
            one.event,
            one.revisions.own,
            listings_concerned(one.change),
            (item.source, item.external_id),
            self._base_url,
            feed_formats=self._feed_formats,
        )
        return Announcement(one.entry, one.event, told, shown=shown)

    async def _observe(self, batch: Sequence[_BatchEvent]) -> None:
        now = to_ms(await self._store.now())
        for one in batch:
            visible_seconds.observe(max(0, now - to_ms(one.event.occurred_at)) / 1000)


def _elapsed(since: float) -> timedelta:
    return timedelta(seconds=time.perf_counter() - since)


def _is_seen_in_translations(revisions: _EventRevisions) -> bool:
    """Whether the pages of an item's translations, which link to it by its title, can show a difference."""
    links = {(one.lang, one.path, one.title, one.translation_set, one.withdrawal) for one in revisions.known}
    return len(links) > 1 or not revisions.are_complete


def _event_of(entry: Entry) -> ItemEvent | None:
    try:
        return ItemEvent.from_fields(entry.fields)
    except ValueError as error:
        log.warning("entry.unreadable", entry=entry.id, reason=str(error))
        return None


def _trace(step: str, batch: Sequence[_BatchEvent], began_ns: int, *, after: str) -> None:
    for event in (one.event for one in batch):
        record(Step(step, event.id), event.trace_id, began_ns, after=Step(after, event.id), batch=len(batch))
