"""
Turn a batch of events into pages on the volume, and announce the events when their pages can be read.

The order of a batch: read what it is about; render, write and show the items; write the pages that link to them; write
the lists; remove the pages that items have left; tell the purge hook; announce.
"""

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
from services.render.pipeline.announcing import (
    Announcement,
    Announcer,
    BatchAge,
    announced_event,
    facts_before,
    facts_of,
)
from services.render.pipeline.batch import Batch, BatchEvent, BatchReader, EventRevisions, ListingClock, event_of
from services.render.pipeline.purging import PurgeHook
from services.render.pipeline.receipts import shown_files
from services.render.pipeline.showing import ItemShower
from services.render.pipeline.showing_plan import Showing
from services.render.search.service import Search
from shared.model.ids import ItemId
from shared.model.items import PublicItem
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
class _RenderedBatch:
    """What came of a batch before it is announced."""

    written: Written
    showings: Mapping[ItemId, Showing]
    files: Sequence[ShownFiles]
    """For each event, the files that show it."""


class ItemEventConsumer:
    """Renders the pages that events affect."""

    def __init__(  # noqa: PLR0913 - one for each step of a batch
        self,
        edition: Edition,
        *,
        store: ItemStore,
        shower: ItemShower,
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
        self._reader = BatchReader(store, dead_letters)
        self._clock = ListingClock()
        self._shower = shower
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
        history = self._announcer.history
        batch = await self._reader.read(entries)
        done = await self._render(batch)
        rendered = time.perf_counter()
        if any(one.revisions.own is not None and one.revisions.own.is_erased for one in batch.events):
            # The store forgets these paths when they are announced, and a crash must not bring the pages back.
            await self._search.overwrite_removed()
            await self._writer.sync()
        await self._purge.tell(done.written.changed)
        _trace("render", batch, started_ns, after="item.write")
        visible, visible_ns = time.perf_counter(), time.time_ns()
        announcements = [
            self._announcement(one, done.showings, files) for one, files in zip(batch.events, done.files, strict=True)
        ]
        age = BatchAge(_elapsed(rendered), _elapsed(visible))
        announced = await self._announcer.announce(announcements, age, history)
        _trace("announce", batch, visible_ns, after="render")
        took = time.perf_counter() - started
        render_batch_seconds.observe(took)
        _observe(batch)
        log.info(
            "batch.rendered",
            events=len(entries),
            announced=announced,
            pages=len(done.written.there),
            changed=len(done.written.changed),
            took_ms=round(took * 1000),
            trace_ids=[one.event.trace_id for one in batch.events[:10]],
        )

    async def check(self, entries: Sequence[Entry]) -> None:
        """Write the pages of events again, and announce nothing."""
        await self._render(await self._reader.read(entries))

    async def remove_withdrawn(self, entries: Sequence[Entry]) -> None:
        """
        Remove the pages of items that the events withdraw, and announce nothing. It takes no room on the volume.

        Lists may name such a page until they are written. A page that says why it was withdrawn has to wait.
        """
        plans = (await self._reader.read(entries)).plans(self._clock)
        gone = [plan for plan in plans if plan.after is not None and not plan.after.has_page]
        written = Written()
        showings = await self._shower.show(gone, written)
        await self._writer.remove_left({item_id: one.left_pages for item_id, one in showings.items()}, written)
        await self._purge.tell(written.changed)

    async def bury(self, entry: Entry, reason: str) -> None:
        """Move an entry to the dead letters; the item's later events do not wait for it."""
        event = event_of(entry)
        if event is None:
            await self._dead_letters.bury(keys.ITEMS_STREAM, keys.RENDER_GROUP, entry.id, reason)
        else:
            await self._announcer.announce([Announcement(entry, event, None, reason)])

    async def _render(self, batch: Batch) -> _RenderedBatch:
        written = Written()
        showings = await self._shower.show(batch.plans(self._clock), written)
        translations = await self._write_translations(batch, showings, written)
        changes = [self._change(one, showings) for one in batch.events]
        lists = [lists_concerned([change], self._site) for change in changes]
        beside = [await self._change_of_neighbours(changes), await self._change_of_translations(translations)]
        await self._writer.write_lists(lists_concerned(beside, self._site).union(*lists), written)
        await self._writer.remove_left({item_id: one.left_pages for item_id, one in showings.items()}, written)
        await self._writer.remove_strays(_left_by_earlier_release(batch), written)
        await self._search.refresh({one.event.item_id for one in batch.events})
        files = [
            shown_files(
                paths_concerned([change]) | _linking_paths(one, translations),
                [path for page in pages for path in paths_of(page, self._feed_formats)],
                written,
            )
            for one, change, pages in zip(batch.events, changes, lists, strict=True)
        ]
        return _RenderedBatch(written, showings, files)

    async def _write_translations(
        self, batch: Batch, showings: Mapping[ItemId, Showing], written: Written
    ) -> Mapping[ItemId, PublicItem]:
        """
        Write the pages that link to the batch's items; return the items of other batches among them.

        All is read after the showing, because members of one set may be shown in one batch, or in two at once.
        """
        sets = {
            revision.translation_set
            for one in batch.events
            if _is_seen_in_translations(one.revisions)
            for revision in one.revisions.known
            if revision.translation_set
        }
        found = await self._store.translation_sets(sets)
        members = {member for one in found.values() for member in one.values() if member not in showings}
        linking = await self._public_items.by_id(members)
        outdated = await self._shower.outdated_pages(showings)
        await self._writer.write_items({item.path for item in linking.values()} | outdated, written)
        return linking

    def _change(self, one: BatchEvent, showings: Mapping[ItemId, Showing]) -> Change:
        """Return the change that an event made, with the places in months that its item has and has left."""
        showing = showings.get(one.event.item_id)
        left = frozenset(places_left(one.event.left))
        if showing is None:
            return Change(one.revisions.known, left)
        left |= showing.left_places
        revisions = one.revisions.known
        if showing.item is not None and showing.item.revision not in revisions:
            revisions = (*revisions, showing.item.revision)
        return Change(
            revisions,
            left | showing.places,
            left_listings=frozenset(place.listing for place in left),
            is_seen_in_lists=bool(left) or self._is_seen_in_lists(one),
        )

    async def _change_of_neighbours(self, changes: Sequence[Change]) -> Change:
        """Return the change of archive documents that must link to a document which the changes begin."""
        return Change((), await self._months.beside_new({place for change in changes for place in change.places}))

    async def _change_of_translations(self, items: Mapping[ItemId, PublicItem]) -> Change:
        """Return the change of items that only link to a changed one: sitemaps name each item's translations."""
        places = await self._months.places_of(list(items.values()))
        everywhere = (place for one in places.values() for place in one)
        lines = frozenset(one for one in everywhere if one.kind == "archive" and one.listing.kind == "home")
        return Change((), lines)

    def _is_seen_in_lists(self, one: BatchEvent) -> bool:
        """Whether any list can show the difference that the event made."""
        revisions = one.revisions.known
        if one.item is None or not one.revisions.are_complete:
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

    def _announcement(self, one: BatchEvent, showings: Mapping[ItemId, Showing], files: ShownFiles) -> Announcement:
        showing = showings.get(one.event.item_id)
        if one.item is None or one.revisions.own is None or showing is None:
            return Announcement(one.entry, one.event, None, "the item is no longer in the store")
        fault = showing.faults.get(one.event.revision)
        if fault is not None:
            return Announcement(one.entry, one.event, None, fault)
        # The entry's own id is of another epoch where the store was put back before anybody knew.
        event = one.event.model_copy(update={"id": one.item.event_id_of(one.event.revision)})
        told = announced_event(
            event,
            one.revisions.own,
            listings_concerned(Change(one.revisions.known)),
            (one.item.source, one.item.external_id),
            self._base_url,
            feed_formats=self._feed_formats,
            before=one.revisions.before,
        )
        facts, was = facts_of(one.revisions.own), facts_before(one.revisions.before)
        return Announcement(one.entry, one.event, told, shown=files, facts=facts, was=was)


def _left_by_earlier_release(batch: Batch) -> set[str]:
    """Return where items stood that an earlier release moved in their lists: it kept no `left`."""
    before = (one.revisions.before for one in batch.events if "left" in one.entry.fields)
    return {revision.path for revision in before if revision is not None and revision.path is not None}


def _linking_paths(one: BatchEvent, translations: Mapping[ItemId, PublicItem]) -> set[str]:
    """Return where the pages of the item's translations stand, which name it."""
    sets = {revision.translation_set for revision in one.revisions.known if revision.translation_set}
    return {item.path for item in translations.values() if item.revision.translation_set in sets}


def _is_seen_in_translations(revisions: EventRevisions) -> bool:
    """Whether the pages of an item's translations, which link to it by its title, can show a difference."""
    links = {(one.lang, one.path, one.title, one.translation_set, one.withdrawal) for one in revisions.known}
    return len(links) > 1 or not revisions.are_complete


def _elapsed(since: float) -> timedelta:
    return timedelta(seconds=time.perf_counter() - since)


def _observe(batch: Batch) -> None:
    now = batch.now + _elapsed(batch.read_at)
    for one in batch.events:
        visible_seconds.observe(max(0, (now - one.event.occurred_at).total_seconds()))


def _trace(step: str, batch: Batch, began_ns: int, *, after: str) -> None:
    for event in (one.event for one in batch.events):
        record(Step(step, event.id), event.trace_id, began_ns, after=Step(after, event.id), batch=len(batch.events))
