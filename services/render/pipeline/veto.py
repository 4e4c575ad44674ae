"""The veto: take back a revision that cannot be rendered, so that readers keep the last one that can."""

import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import structlog

from shared.model.items import PublicItem, Revision
from shared.store.item_store import ItemStore
from shared.store.item_writer import ItemWriter, Write

log = structlog.get_logger()

# How many earlier revisions are tried. A template that breaks on five breaks on the rest too.
_LOOK_BACK = 5


class Veto:
    """Changes the item in the store, so that lists, feeds and the public API follow."""

    def __init__(self, store: ItemStore, writer: ItemWriter, try_to_render: Callable[[PublicItem], object]) -> None:
        self._store = store
        self._writer = writer
        self._try_to_render = try_to_render

    async def cast(self, item: PublicItem, fault: Exception) -> None:
        """Make the last good revision public again, or none; the item keeps the bad one's number and the reason."""
        good = await self._last_good(item)
        state = item.item.state
        if good is not None:
            state = "withdrawn" if good.withdrawal else "published"
        write = Write(
            write_id=secrets.token_hex(8),
            before=item.item,
            after=replace(
                item.item,
                state=state,
                public=good.number if good else 0,
                path=good.path if good else item.item.path,
                unrenderable=item.revision.number,
                unrenderable_reason=f"{type(fault).__name__}: {fault}",
            ),
            shown_before=item.revision if item.item.state == "published" else None,
            shown_after=good if good is not None and good.withdrawal is None else None,
        )
        status = await self._writer.write(write)
        log.error(
            "item.unrenderable",
            item_id=item.item.id,
            revision=item.revision.number,
            good_revision=write.after.public,
            status=status,
            exc_info=fault,
        )

    async def _last_good(self, item: PublicItem) -> Revision | None:
        async for revision in self._earlier(item):
            if revision.withdrawal is not None and revision.withdrawal.mode != "notice":
                return revision
            try:
                self._try_to_render(PublicItem(item.item, revision))
            except Exception as fault:  # noqa: BLE001 - as bad as the one after it
                log.warning(
                    "item.unrenderable_before", item_id=item.item.id, revision=revision.number, reason=repr(fault)
                )
            else:
                return revision
        return None

    async def _earlier(self, item: PublicItem) -> AsyncIterator[Revision]:
        """Yield the revisions that were public before, newest first; one that only waited has no path."""
        numbers = range(item.revision.number - 1, max(0, item.revision.number - 1 - _LOOK_BACK), -1)
        for revision in await self._store.revisions([(item.item.id, number) for number in numbers]):
            if revision is not None and revision.path is not None:
                yield revision
