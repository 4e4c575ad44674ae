"""Take an item in: read what is there, decide, write it in one step, and begin again if someone was faster."""

import asyncio
import secrets
from weakref import WeakValueDictionary

import structlog

from services.ingest.api_models import ItemBody, Receipt, Scheduled
from services.ingest.publication import (
    Act,
    changes_nothing,
    check_expected,
    holding_back,
    next_revision,
    provisional_path,
    publication,
    released,
    taken_path,
    taken_translation,
    wanted_path,
)
from shared.errors import Unavailable
from shared.ids import ItemId, item_id, new_trace_id
from shared.item_store import Found, ItemStore
from shared.item_writer import ItemWriter, Write
from shared.items import Item, Revision
from shared.metrics import items_total
from shared.site_file import Site
from shared.urls import slug_from_title

log = structlog.get_logger()

# Losing the race so often means more writers of one item than any newsroom has; the caller may try again.
_MOST_RACES = 50


class Publisher:
    """Publishes items into the store."""

    def __init__(self, store: ItemStore, writer: ItemWriter, site: Site, base_url: str) -> None:
        self._store = store
        self._writer = writer
        self._site = site
        self._base_url = base_url
        # Writers of one item in this process wait for one another, instead of racing in the store.
        self._locks: WeakValueDictionary[ItemId, asyncio.Lock] = WeakValueDictionary()

    async def publish(
        self, source: str, external_id: str, body: ItemBody, *, trace_id: str, if_match: int | None = None
    ) -> Receipt:
        """
        Create or revise the item and return its receipt; the write is on disk by then.

        Raises PreconditionFailed, Conflict for a taken slug or translation, Unavailable after too many lost races.
        """
        act = _act(source, external_id, trace_id)
        async with self._locks.setdefault(act.item_id, asyncio.Lock()):
            receipt = await self._publish(act, body, if_match)
        items_total.labels("created" if receipt.revision == 1 else "revised" if receipt.changed else "unchanged").inc()
        log.info("item.accepted", **_told(receipt), trace_id=trace_id)
        return receipt

    async def release(self, source: str, external_id: str) -> None:
        """Make the revision public whose moment has come; do nothing where none is due."""
        act = _act(source, external_id, new_trace_id())
        for _ in range(_MOST_RACES):
            found = await self._store.find(act.item_id)
            revision = released(found)
            if revision is None:
                return
            write = await self._plan(act, found, revision, slug_is_binding=False)
            status = await self._writer.write(write)
            if status == "translation":
                # Someone took the place while this one waited, and could not be told: it comes out on its own.
                write = await self._plan(
                    act, found, revision.model_copy(update={"translation_set": None}), slug_is_binding=False
                )
                status = await self._writer.write(write)
            if status == "written":
                log.info("item.released", item_id=act.item_id, revision=write.after.public, trace_id=act.trace_id)
                return
        raise Unavailable(f"item {act.item_id} was written by too many at once")

    async def _publish(self, act: Act, body: ItemBody, if_match: int | None) -> Receipt:
        for _ in range(_MOST_RACES):
            found = await self._store.find(act.item_id)
            check_expected(found, act, if_match)
            revision = next_revision(found, body)
            if found.item is not None and changes_nothing(found, revision):
                return self.receipt(found.item, found.latest or revision, changed=False)
            write = await self._plan(act, found, revision, slug_is_binding=True)
            status = await self._writer.write(write)
            if status == "written":
                return self.receipt(write.after, write.revision or revision, changed=True)
            if status == "path" and revision.slug is not None:
                raise taken_path(write.after.path or "", revision.slug)
            if status == "translation":
                raise taken_translation(revision)
            # Moved on by someone else, or a free path was taken meanwhile: look again.
        raise Unavailable(f"item {act.item_id} was written by too many at once")

    async def _plan(self, act: Act, found: Found, revision: Revision, *, slug_is_binding: bool) -> Write:
        if revision.publish_at is not None:
            return holding_back(act, found, revision)
        path = wanted_path(found, revision, self._site)
        if revision.slug is None or not slug_is_binding:
            path = await self._free_path(path, act.item_id)
        return publication(act, found, revision, path)

    async def _free_path(self, path: str, owner: ItemId) -> str:
        """
        Return `path`, or with the first free suffix: `-2`, `-3`, …

        Doubling and then halving the suffix keeps the thousandth item of one title as cheap as the tenth.
        """
        if await self._is_free(path, owner):
            return path
        taken, free = 1, 2
        while not await self._is_free(_suffixed(path, free), owner):
            taken, free = free, free * 2
        while free - taken > 1:
            middle = (taken + free) // 2
            if await self._is_free(_suffixed(path, middle), owner):
                free = middle
            else:
                taken = middle
        return _suffixed(path, free)

    async def _is_free(self, path: str, owner: ItemId) -> bool:
        return (await self._store.owners([path]))[0] in (None, owner)

    def receipt(self, item: Item, latest: Revision, *, changed: bool) -> Receipt:
        """Return what the sender of an item is told; the address of an item never public yet is provisional."""
        path = item.path or provisional_path(
            latest, latest.slug or slug_from_title(latest.title), latest.accepted_at, self._site
        )
        waits = item.publish_at if item.state == "published" else None
        return Receipt(
            id=item.id,
            source=item.source,
            external_id=item.external_id,
            revision=item.latest,
            state=item.state,
            url=self._base_url + path,
            event_id=item.event_id,
            changed=changed,
            scheduled=Scheduled(revision=item.latest, publish_at=waits) if waits else None,
        )


def _suffixed(path: str, number: int) -> str:
    return f"{path.rstrip('/')}-{number}/"


def _act(source: str, external_id: str, trace_id: str) -> Act:
    return Act(item_id(source, external_id), source, external_id, trace_id, write_id=secrets.token_hex(8))


def _told(receipt: Receipt) -> dict[str, object]:
    return receipt.model_dump(mode="json", include={"id", "revision", "state", "changed"})
