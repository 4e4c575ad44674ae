"""The pages of items: which item stands at a path, and its file."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from services.render.output.files import File, page_time_ns
from services.render.pages.edition import Edition
from services.render.pages.list_entries import ListEntryCache
from services.render.theme.view_models import Translation
from shared.model.ids import ItemId
from shared.model.items import LeftPage, PublicItem
from shared.store.item_store import ItemStore
from shared.store.public_items import PublicItems


@dataclass(frozen=True)
class TranslatedItem:
    """An item with the public translations that its page links to."""

    item: PublicItem
    translations: Sequence[Translation]


class ItemPages:
    """Reads what stands at paths, many at a time, and renders it."""

    def __init__(self, store: ItemStore, public_items: PublicItems, edition: Edition, entries: ListEntryCache) -> None:
        self._store = store
        self._public_items = public_items
        self._edition = edition
        self._entries = entries

    async def at(self, paths: Sequence[str]) -> Mapping[str, TranslatedItem]:
        """Return the items whose pages stand at the paths now: public, or withdrawn under a notice."""
        owners = await self._store.owners(paths) if paths else []
        found = await self._public_items.by_id({owner for owner in owners if owner}, with_notices=True)
        there = {}
        for path, owner in zip(paths, owners, strict=True):
            item = found.get(owner) if owner else None
            if item is not None and item.path == path:
                there[path] = item
        translated = await self.translated(there.values())
        return {path: translated[item.item.id] for path, item in there.items()}

    async def kept_at(self, paths: Sequence[str]) -> Collection[str]:
        """Return the paths where a page is to stay: an item stands there, or a batch in hand will remove it."""
        owners = await self._store.owners(paths)
        left = await self.left_by({owner for owner in owners if owner})
        waiting = {
            path
            for path, owner in zip(paths, owners, strict=True)
            if owner and path in {page.path for page in left[owner]}
        }
        return waiting | (await self.at(paths)).keys()

    async def left_by(self, ids: Collection[ItemId]) -> Mapping[ItemId, Collection[LeftPage]]:
        """Return the pages that showings of the items have left behind."""
        items = await self._store.get_many(list(ids)) if ids else []
        return {item_id: item.left_pages if item else () for item_id, item in zip(ids, items, strict=True)}

    async def by_id(self, ids: Collection[ItemId]) -> Mapping[ItemId, TranslatedItem]:
        """Return those of the items that are published, with their translations."""
        found = await self._public_items.by_id(ids)
        return await self.translated(found.values())

    async def translated(self, items: Collection[PublicItem]) -> Mapping[ItemId, TranslatedItem]:
        """Return the items, which readers may not see yet, with the translations that readers see."""
        translations = await self._translations(items)
        return {item.item.id: TranslatedItem(item, translations[item.item.id]) for item in items}

    async def _translations(self, items: Collection[PublicItem]) -> Mapping[ItemId, Sequence[Translation]]:
        """Return each item's translations; none for an item that has lost its place in the set to another one."""
        slots = {item.item.id: slot for item in items if (slot := item.revision.translation_slot) is not None}
        members = await self._store.translation_sets({name for name, _ in slots.values()})
        others = await self._public_items.by_id({member for one in members.values() for member in one.values()})
        found: dict[ItemId, Sequence[Translation]] = {item.item.id: () for item in items}
        for item_id, (name, lang) in slots.items():
            if members[name].get(lang) == item_id:
                ids = [member for _, member in sorted(members[name].items()) if member != item_id]
                there = [others[member] for member in ids if member in others]
                found[item_id] = [Translation(one.revision.lang, one.path, one.revision.title) for one in there]
        return found

    def file(self, translated: TranslatedItem) -> File | Exception:
        """Return the item's page, or what rendering the page or the list entry raised."""
        try:
            self._entries.of(translated.item)
            page = self._edition.theme.item_page(translated.item, translated.translations)
        except Exception as fault:  # noqa: BLE001 - one bad item hurts only itself, whatever it raises
            return fault
        return File(translated.item.path, page, page_time_ns(translated.item))

    def fault(self, item: PublicItem) -> Exception | None:
        """Return what rendering the item's list entry raises, or None."""
        try:
            self._entries.of(item)
        except Exception as fault:  # noqa: BLE001 - see file
            return fault
        return None
