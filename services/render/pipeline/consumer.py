"""From a batch of events to pages that can be read, and only then to an announcement."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from services.render.output.written import Written
from services.render.pages.edition import Edition
from services.render.pages.months import Months, places_left
from services.render.pages.public_items import PublicItems
from services.render.pages.writer import PageWriter
from services.render.pipeline.affected_pages import Change, listings_concerned, lists_concerned, paths_concerned
from services.render.pipeline.announcing import Announcement, Announcer, Since, announced_event
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
from shared.store.receipts import ShownFiles
from shared.store.streams import Entry

log = structlog.get_logger()

# The revision that readers saw before an event, the event's own, and the one they see by now.
_BEFORE_BY_AND_NOW = 3


@dataclass(frozen=True)
class _Taken:
    """An event of the batch with what the store holds of it: before the event, by it, and by now."""

    entry: Entry
    event: ItemEvent
    item: Item | None
    revision: Revision | None
    revisions: tuple[Revision, ...]
    translations: frozenset[ItemId]
    """The other members of its translation sets, where they show something that changed."""

    @property
    def change(self) -> Change:
        """What the event is about, before it is known where its item stands now."""
        return Change(self.revisions)


@dataclass(frozen=True)
class Tools:
    """What the consumer works with."""

    store: ItemStore
    public_items: PublicItems
    months: Months
    writer: PageWriter
    search: Search
    purge: PurgeHook
    announcer: Announcer
    dead_letters: DeadLetters


class ItemEventConsumer:
    """Renders what events concern."""

    def __init__(self, edition: Edition, tools: Tools) -> None:
        self._site = edition.site
        self._theme = edition.theme
        self._base_url = edition.base_url
        self._store = tools.store
        self._public_items = tools.public_items
        self._months = tools.months
        self._writer = tools.writer
        self._search = tools.search
        self._purge = tools.purge
        self._announcer = tools.announcer
        self._dead_letters = tools.dead_letters

    async def on_item_events(self, entries: Sequence[Entry]) -> None:
        """Bring every page of the batch up to date, each once, and announce its events."""
        started, started_ns = time.perf_counter(), time.time_ns()
        taken = await self._take(entries)
        written, shown = await self._render(taken)
        rendered = time.perf_counter()
        if any(one.revision is not None and one.revision.is_erased for one in taken):
            # The store forgets these paths once they are announced: no crash of the machine may bring the pages back.
            await self._search.overwrite_removed()
            await self._writer.sync()
        await self._purge.tell(written.changed)
        _trace("render", taken, started_ns, after="item.write")
        visible, visible_ns = time.perf_counter(), time.time_ns()
        announcements = await self._announcements(taken, shown)
        announced = await self._announcer.announce(announcements, Since(_elapsed(rendered), _elapsed(visible)))
        _trace("announce", taken, visible_ns, after="render")
        took = time.perf_counter() - started
        render_batch_seconds.observe(took)
        await self._observe(taken)
        log.info(
            "batch.rendered",
            events=len(entries),
            announced=announced,
            pages=len(written.there),
            changed=len(written.changed),
            took_ms=round(took * 1000),
            trace_ids=[one.event.trace_id for one in taken[:10]],
        )

    async def check(self, entries: Sequence[Entry]) -> None:
        """Write the pages of events again that were announced long ago."""
        await self._render(await self._take(entries))

    async def _render(self, taken: Sequence[_Taken]) -> tuple[Written, Sequence[ShownFiles]]:
        """
        Write the items' pages, then the lists, then take away what no list names any more.

        Return what was written, and of each event the files that show it.
        """
        written = Written()
        others = await self._public_items.by_id({member for one in taken for member in one.translations})
        paths = paths_concerned(one.change for one in taken) | {other.path for other in others.values()}
        left = await self._writer.write_items(paths, written)
        # Only now it is known which revisions can be rendered, and so where their items stand.
        changes = [*await self._changes(taken), await self._change_of_translations(others)]
        lists = [lists_concerned([change], self._site) for change in changes]
        await self._writer.write_lists(frozenset().union(*lists), written)
        await self._writer.remove_items(left, written)
        await self._search.refresh({one.event.item_id for one in taken})
        shown = []
        for one, change, listing in zip(taken, changes, lists, strict=False):
            linking = {others[member].path for member in one.translations if member in others}
            shown.append(shown_files(paths_concerned([change]) | linking, listing, written))
        return written, shown

    async def _changes(self, taken: Sequence[_Taken]) -> Sequence[Change]:
        """Return what lists may show of the batch: its items as they were and are, the places they left and have."""
        now = await self._public_items.by_id({one.event.item_id for one in taken})
        has = await self._months.places_of(list(now.values()))
        vacated = await self._months.vacated([one.event.item_id for one in taken])
        changes = []
        for one in taken:
            left = vacated[one.event.item_id] | frozenset(places_left(one.event.left))
            places = left | has.get(one.event.item_id, frozenset())
            changes.append(Change(one.revisions, places, is_seen_in_lists=bool(left) or self._is_seen_in_lists(one)))
        beside = await self._months.beside_new({place for change in changes for place in change.places})
        return [*changes, Change((), beside)]

    async def _change_of_translations(self, items: Mapping[ItemId, PublicItem]) -> Change:
        """Return the change of items that are only linked to: sitemaps name every language's address beside each."""
        places = await self._months.places_of(list(items.values()))
        everywhere = (place for one in places.values() for place in one)
        lines = frozenset(one for one in everywhere if one.kind == "archive" and one.listing.kind == "home")
        return Change((), lines)

    def _is_seen_in_lists(self, taken: _Taken) -> bool:
        """Whether any list can show the difference that the event made."""
        if taken.item is None or not taken.event.before or len(taken.revisions) < _BEFORE_BY_AND_NOW:
            return True
        if any(revision.withdrawal or revision.path is None for revision in taken.revisions):
            return True
        try:
            shown = {
                (self._theme.card(PublicItem(taken.item, one)), one.published_at, frozenset(one.tags), one.section)
                for one in taken.revisions
            }
        except Exception:  # noqa: BLE001 - one of them cannot be rendered, so lists may change by any of them
            return True
        return len(shown) > 1

    async def bury(self, entry: Entry, reason: str) -> None:
        """Give an entry up; the item's later events do not wait for it."""
        event = _event_of(entry)
        if event is None:
            await self._dead_letters.bury(keys.ITEMS_STREAM, keys.RENDER_GROUP, entry.id, reason)
        else:
            await self._announcer.announce([Announcement(entry, event, None, reason)])

    async def _take(self, entries: Sequence[Entry]) -> Sequence[_Taken]:
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
        found = await self._store.revisions(wanted)
        groups = [found[place * 3 : place * 3 + 3] for place in range(len(readable))]
        translations = await self._store.translation_sets(
            {one.translation_set for group in groups for one in group if one is not None and one.translation_set}
        )
        taken = []
        for (entry, event), item, group in zip(readable, items, groups, strict=True):
            revisions = tuple(one for one in group if one is not None)
            members = {
                member
                for one in revisions
                if one.translation_set and _is_seen_in_translations(revisions)
                for member in translations[one.translation_set].values()
            }
            taken.append(_Taken(entry, event, item, group[0], revisions, frozenset(members - {event.item_id})))
        return taken

    async def _announcements(self, taken: Sequence[_Taken], shown: Sequence[ShownFiles]) -> Sequence[Announcement]:
        # Read again: rendering may have found an item that cannot be rendered.
        items = await self._store.get_many([one.event.item_id for one in taken])
        return [self._announcement(*one) for one in zip(taken, items, shown, strict=True)]

    def _announcement(self, taken: _Taken, item: Item | None, shown: ShownFiles) -> Announcement:
        if item is None or taken.revision is None:
            return Announcement(taken.entry, taken.event, None, "the item is no longer in the store")
        if item.unrenderable == taken.event.revision:
            return Announcement(taken.entry, taken.event, None, item.unrenderable_reason)
        told = announced_event(
            taken.event,
            taken.revision,
            listings_concerned(taken.change),
            (item.source, item.external_id),
            self._base_url,
        )
        return Announcement(taken.entry, taken.event, told, shown=shown)

    async def _observe(self, taken: Sequence[_Taken]) -> None:
        now = to_ms(await self._store.now())
        for one in taken:
            visible_seconds.observe(max(0, now - to_ms(one.event.occurred_at)) / 1000)


def _elapsed(since: float) -> timedelta:
    return timedelta(seconds=time.perf_counter() - since)


def _is_seen_in_translations(revisions: Sequence[Revision]) -> bool:
    """Whether the pages of an item's translations, which link to it by its title, can show a difference."""
    shown = {(one.lang, one.path, one.title, one.translation_set, one.withdrawal) for one in revisions}
    return len(revisions) < _BEFORE_BY_AND_NOW or len(shown) > 1


def _event_of(entry: Entry) -> ItemEvent | None:
    try:
        return ItemEvent.from_fields(entry.fields)
    except ValueError as error:
        log.warning("entry.unreadable", entry=entry.id, reason=str(error))
        return None


def _trace(step: str, taken: Sequence[_Taken], began_ns: int, *, after: str) -> None:
    for event in (one.event for one in taken):
        record(Step(step, event.id), event.trace_id, began_ns, after=Step(after, event.id), batch=len(taken))
