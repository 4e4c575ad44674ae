"""The pages of items: which item stands at a path, and its file."""

from collections.abc import Sequence

from services.render.edition import Edition
from services.render.files import File, page_time_ns
from services.render.page_data import Translation
from services.render.pieces import PieceCache
from shared.item_store import ItemStore
from shared.items import PublicItem


class ItemPages:
    """Reads what stands at a path, and renders it."""

    def __init__(self, store: ItemStore, edition: Edition, pieces: PieceCache) -> None:
        self._store = store
        self._edition = edition
        self._pieces = pieces

    async def at(self, path: str) -> PublicItem | None:
        """Return the item whose page stands at `path` now: public, or withdrawn under a notice."""
        owner = (await self._store.owners([path]))[0]
        found = await self._store.public_items([owner], with_notices=True) if owner else []
        return next((item for item in found if item.path == path), None)

    async def paths_of(self, item: PublicItem) -> Sequence[str]:
        """Return where the item's page stands now, if it has one."""
        found = await self._store.public_items([item.item.id], with_notices=True)
        return [one.path for one in found]

    async def translations(self, item: PublicItem) -> Sequence[Translation]:
        """Return the item's public translations, by language."""
        name = item.revision.translation_set
        if name is None or item.revision.withdrawal is not None:
            return ()
        members = await self._store.translations(name)
        others = [member for _, member in sorted(members.items()) if member != item.item.id]
        found = await self._store.public_items(others)
        return [Translation(one.revision.lang, one.path, one.revision.title) for one in found]

    def file(self, item: PublicItem, translations: Sequence[Translation]) -> File | Exception:
        """Return the item's page, its pieces for lists rendered too; or what rendering it raised."""
        try:
            self._pieces.of(item)
            page = self._edition.theme.item_page(item, translations)
        except Exception as fault:  # noqa: BLE001 - one bad item hurts only itself, whatever it raises
            return fault
        return File(item.path, page, page_time_ns(item))

    def fault(self, item: PublicItem) -> Exception | None:
        """Return what rendering the item's pieces raises, or None."""
        try:
            self._pieces.of(item)
        except Exception as fault:  # noqa: BLE001 - see file
            return fault
        return None
