"""The pages of items: which item stands at a path, and its file."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.render.output.files import File, page_time_ns
from services.render.pages.edition import Edition
from services.render.pages.list_entries import ListEntryCache
from services.render.theme.view_models import Translation
from shared.model.ids import ItemId
from shared.model.items import PublicItem
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
        translations = await self._translations(there.values())
        return {path: TranslatedItem(item, translations[item.item.id]) for path, item in there.items()}

    async def by_id(self, ids: Collection[ItemId]) -> Mapping[ItemId, TranslatedItem]:
        """Return those of the items that are published, with their translations."""
        found = await self._public_items.by_id(ids)
        translations = await self._translations(found.values())
        return {item_id: TranslatedItem(item, translations[item_id]) for item_id, item in found.items()}

    async def paths_of(self, items: Iterable[PublicItem]) -> frozenset[str]:
        """Return where the items' pages stand now, if they have any."""
        found = await self._public_items.by_id({item.item.id for item in items}, with_notices=True)
        return frozenset(item.path for item in found.values())

    async def _translations(self, items: Iterable[PublicItem]) -> Mapping[ItemId, Sequence[Translation]]:
        sets = {item.item.id: item.revision.translation_set for item in items if item.revision.withdrawal is None}
        members = await self._store.translation_sets({name for name in sets.values() if name})
        others = await self._public_items.by_id({member for one in members.values() for member in one.values()})
        found: dict[ItemId, Sequence[Translation]] = {item.item.id: () for item in items}
        for item_id, name in sets.items():
            ids = [member for _, member in sorted(members[name].items()) if member != item_id] if name else []
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
