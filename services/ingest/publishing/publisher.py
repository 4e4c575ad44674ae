"""Take an item in: read what is there, decide, write it in one step, and begin again if someone was faster."""

import asyncio
import secrets
from dataclasses import replace
from weakref import WeakValueDictionary

import structlog

from services.ingest.contract.answers import Receipt, ScheduledRevision
from services.ingest.contract.item_body import ItemBody
from services.ingest.publishing.rules import (
    Actor,
    ItemChange,
    being_erased,
    changes_nothing,
    check_expected,
    is_back_at_public,
    next_revision,
    publication,
    released,
    taken_path,
    taken_translation,
    unseen,
    wanted_path,
)
from services.ingest.publishing.withdrawal import is_withdrawn_so, withdrawal_write, withdrawn_content
from shared.model.errors import FieldError, Invalid, NotFound, Unavailable
from shared.model.ids import ItemId, item_id, new_trace_id
from shared.model.items import Item, Revision, Withdrawal
from shared.model.site_file import Site
from shared.runtime.metrics import items_total
from shared.store.item_store import ItemSnapshot, ItemStore
from shared.store.item_writer import ItemWriter, Write
from shared.store.redirects import redirect_target

log = structlog.get_logger()

# Losing the race so often means more writers of one item than any newsroom has; the caller may try again.
_MOST_RACES = 50


class Publisher:
    """Publishes items into the store, and withdraws them."""

    def __init__(self, store: ItemStore, writer: ItemWriter, site: Site, base_url: str) -> None:
        self._store = store
        self._writer = writer
        self._site = site
        self._base_url = base_url
        # Writers of one item in this process wait for one another, instead of racing in the store.
        self._locks: WeakValueDictionary[ItemId, asyncio.Lock] = WeakValueDictionary()

    async def publish(self, source: str, external_id: str, body: ItemBody, actor: Actor) -> Receipt:
        """
        Create or revise the item and return its receipt; the write is on disk by then.

        Raises PreconditionFailed, Conflict for a taken slug or translation, BeingErased, Unavailable after too many
        lost races.
        """
        change = _change(source, external_id, actor)
        async with self._locks.setdefault(change.item_id, asyncio.Lock()):
            receipt = await self._publish(change, body)
        if not _is_waiting(receipt):
            items_total.labels(_result(receipt)).inc()
        log.info("item.accepted", **_told(receipt), trace_id=actor.trace_id)
        return receipt

    async def rehearse(self, source: str, external_id: str, body: ItemBody, actor: Actor) -> Receipt:
        """Return what `publish` would, or raise what it would, and write nothing."""
        change = _change(source, external_id, actor)
        found = await self._store.find(change.item_id)
        check_expected(found, change)
        revision = next_revision(found, body)
        if await self._store.is_being_erased(change.item_id):
            raise being_erased(change)
        if found.item is not None and changes_nothing(found, revision):
            return self.receipt(found.item, found.latest or revision, changed=False)
        write = await self._plan(change, found, revision, slug_is_binding=True)
        await self._check_free(write, change.item_id)
        return self.receipt(write.after, write.revision or revision, changed=True)

    async def withdraw(
        self, source: str, external_id: str, withdrawal: Withdrawal, actor: Actor, *, erased: bool = False
    ) -> Receipt:
        """
        Withdraw the item and return its receipt; `erased` leaves none of its content in what is told of it.

        Raises NotFound, PreconditionFailed, BeingErased, Invalid for a redirect that leads back to the item.
        """
        change = _change(source, external_id, actor)
        withdrawal = await self._landing(change, withdrawal)
        for _ in range(_MOST_RACES):
            found = await self._store.find(change.item_id)
            content = withdrawn_content(found, erased=erased)
            if found.item is None or found.latest is None or content is None:
                raise NotFound(f'there is no item "{source}/{external_id}"')
            check_expected(found, change)
            if is_withdrawn_so(found, content, withdrawal):
                await self._writer.confirm()
                return self.receipt(found.item, found.latest, changed=False)
            write = replace(withdrawal_write(change, found, found.item, content, withdrawal), erases=erased)
            status = await self._writer.write(write)
            if status == "erasing":
                raise being_erased(change)
            if status == "written":
                receipt = self.receipt(write.after, content, changed=True)
                items_total.labels("withdrawn").inc()
                log.info("item.withdrawn", **_told(receipt), mode=withdrawal.mode, trace_id=actor.trace_id)
                return receipt
        raise Unavailable(f"item {change.item_id} was written by too many at once")

    async def release(self, source: str, external_id: str) -> None:
        """Make the revision public whose moment has come; do nothing where none is due."""
        change = _change(source, external_id, Actor("schedule", new_trace_id()))
        for _ in range(_MOST_RACES):
            found = await self._store.find(change.item_id)
            revision = released(found)
            if revision is None or found.item is None:
                return
            if not self._site.has(revision.lang, revision.section):
                await self._store.hold(found.item)
                log.warning("item.held", item_id=change.item_id, lang=revision.lang, section=revision.section)
                return
            write = await self._plan(change, found, revision, slug_is_binding=False)
            status = await self._writer.write(write)
            if status == "translation":
                # Someone took the place while this one waited, and could not be told: it comes out on its own.
                write = await self._plan(
                    change, found, revision.model_copy(update={"translation_set": None}), slug_is_binding=False
                )
                status = await self._writer.write(write)
            if status == "erasing":
                return
            if status == "written":
                items_total.labels("released").inc()
                log.info(
                    "item.released", item_id=change.item_id, revision=write.after.public, trace_id=change.actor.trace_id
                )
                return
        raise Unavailable(f"item {change.item_id} was written by too many at once")

    async def take_back_held(self) -> None:
        """Let items wait for their release again whose language and section the site file has by now."""
        for item, latest in await self._store.held():
            if item.publish_at is None or self._site.has(latest.lang, latest.section):
                await self._store.let_go(item)

    async def _publish(self, change: ItemChange, body: ItemBody) -> Receipt:
        for _ in range(_MOST_RACES):
            found = await self._store.find(change.item_id)
            check_expected(found, change)
            revision = next_revision(found, body)
            if found.item is not None and changes_nothing(found, revision):
                if await self._store.is_being_erased(change.item_id):
                    raise being_erased(change)
                await self._writer.confirm()
                return self.receipt(found.item, found.latest or revision, changed=False)
            write = await self._plan(change, found, revision, slug_is_binding=True)
            status = await self._writer.write(write)
            if status == "written":
                return self.receipt(write.after, write.revision or revision, changed=True)
            if status == "path" and revision.slug is not None:
                raise taken_path(write.after.path or "", revision.slug)
            if status == "translation":
                raise taken_translation(revision)
            if status == "erasing":
                raise being_erased(change)
            # Moved on by someone else, or a free path was taken meanwhile: look again.
        raise Unavailable(f"item {change.item_id} was written by too many at once")

    async def _check_free(self, write: Write, owner: ItemId) -> None:
        """Raise what writing would: Conflict for a path or a place in a translation set that another item has."""
        public = write.public_after
        if write.event is None or public is None or public.path is None:
            return
        if not await self._is_free(public.path, owner):
            raise taken_path(public.path, public.slug or "")
        if public.translation_set is not None:
            members = await self._store.translations(public.translation_set)
            if members.get(public.lang, owner) != owner:
                raise taken_translation(public)

    async def _landing(self, change: ItemChange, withdrawal: Withdrawal) -> Withdrawal:
        """Return the withdrawal with its redirect flattened: no reader is sent through another redirect."""
        if withdrawal.to is None:
            return withdrawal
        to = (
            withdrawal.to.removeprefix(self._base_url)
            if withdrawal.to.startswith(f"{self._base_url}/")
            else withdrawal.to
        )
        landing = await redirect_target(self._store, to, leaving=change.item_id, read=self._store.public_revision)
        if landing is None:
            raise Invalid("the redirect goes in a circle", errors=(FieldError("/to", "leads back to the item itself"),))
        return withdrawal.model_copy(update={"to": landing})

    async def _plan(
        self, change: ItemChange, found: ItemSnapshot, revision: Revision, *, slug_is_binding: bool
    ) -> Write:
        if revision.publish_at is not None or is_back_at_public(found, revision):
            return unseen(change, found, revision)
        path = wanted_path(found, revision, self._site)
        if revision.slug is None or not slug_is_binding:
            path = await self._free_path(path, change.item_id)
        return publication(change, found, revision, path)

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
        path = item.path or latest.provisional_path(latest.accepted_at, self._site.zone)
        waits = item.publish_at if item.state != "scheduled" else None
        return Receipt(
            id=item.id,
            source=item.source,
            external_id=item.external_id,
            revision=item.latest,
            state=item.state,
            url=self._base_url + path,
            event_id=item.event_id,
            changed=changed,
            scheduled=ScheduledRevision(revision=item.latest, publish_at=waits) if waits else None,
        )


def _suffixed(path: str, number: int) -> str:
    return f"{path.rstrip('/')}-{number}/"


def _change(source: str, external_id: str, actor: Actor) -> ItemChange:
    return ItemChange(item_id(source, external_id), source, external_id, actor, write_id=secrets.token_hex(8))


def _is_waiting(receipt: Receipt) -> bool:
    """Whether the newest revision waits unseen: a counter that readers can see must not tell of it."""
    return receipt.state == "scheduled" or receipt.scheduled is not None


def _result(receipt: Receipt) -> str:
    if not receipt.changed:
        return "unchanged"
    return "created" if receipt.revision == 1 else "revised"


def _told(receipt: Receipt) -> dict[str, object]:
    return receipt.model_dump(mode="json", include={"id", "revision", "state", "changed"})
