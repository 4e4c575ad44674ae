"""The rules of publishing: from what the store holds and what was sent, what is to be written."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.ingest.contract.item_body import ItemBody
from shared.model.epochs import NO_EPOCHS, EventEpochs
from shared.model.errors import BeingErased, Conflict, PreconditionFailed
from shared.model.ids import ItemId
from shared.model.items import Item, Revision, State
from shared.model.site_file import Site
from shared.model.urls import is_reserved, item_path, last_segment, slug_from_title
from shared.store.item_store import ItemSnapshot
from shared.store.item_writer import AuditNote, NewEvent, Write


@dataclass(frozen=True)
class Actor:
    """Who changes an item, under which trace, and the revision that they expect the item to be at."""

    name: str
    trace_id: str
    if_match: int | None = None


@dataclass(frozen=True)
class ItemChange:
    """A change of one item: of which item, by whom, and under which id of its write."""

    item_id: ItemId
    source: str
    external_id: str
    actor: Actor
    write_id: str

    def note(self, act: str) -> AuditNote:
        return AuditNote(self.actor.name, act, self.actor.trace_id)


def check_expected(found: ItemSnapshot, change: ItemChange) -> None:
    """Raise PreconditionFailed unless the item is at the revision that the sender saw."""
    at = found.item.latest if found.item else 0
    if_match = change.actor.if_match
    if if_match is not None and at != if_match:
        raise unexpected(change.source, change.external_id, at, if_match)


def unexpected(source: str, external_id: str, at: int, if_match: int | None) -> PreconditionFailed:
    """Return the refusal of a change to a revision that is not the newest."""
    return PreconditionFailed(
        f'item "{source}/{external_id}" is at revision {at}, you sent a change to revision {if_match}: fetch it again'
    )


def held_until(body: ItemBody, now: datetime) -> datetime | None:
    """Return the moment the revision waits for, or None where it may be public at once."""
    return body.publish_at if body.publish_at is not None and body.publish_at > now else None


def next_revision(found: ItemSnapshot, body: ItemBody) -> Revision:
    """
    Return the revision that the body makes; a `published_at` that was left out keeps its value.

    A revision that becomes public now has its `published_at`, one that waits may have none yet; none has a path.
    """
    waits = held_until(body, found.now) is not None
    published_at = body.published_at or _kept_published_at(found)
    if published_at is None and not waits:
        published_at = found.now
    return Revision(
        **body.model_dump(exclude={"published_at", "publish_at", "source", "external_id"}),
        kind_data=body.kind_data,
        number=(found.item.latest if found.item else 0) + 1,
        accepted_at=next_moment(found),
        published_at=published_at,
        publish_at=body.publish_at if waits else None,
    )


def next_moment(found: ItemSnapshot) -> datetime:
    """Return when the next revision is accepted: no two share a moment, so that a page's time tells which it shows."""
    if found.item is None:
        return found.now
    return max(found.now, found.item.accepted_at + timedelta(milliseconds=1))


def _kept_published_at(found: ItemSnapshot) -> datetime | None:
    known = found.public or found.latest
    return known.published_at if known else None


def changes_nothing(found: ItemSnapshot, revision: Revision) -> bool:
    """Whether readers and editors would see what they see now: same content, and waiting for the same moment."""
    item = found.item
    if item is None or found.latest is None or found.latest.withdrawal is not None:
        return False
    if item.unrenderable == item.latest:
        return False  # what could not be rendered may be sent again
    return item.publish_at == revision.publish_at and item.content_sha256 == revision.content_sha256


def wanted_path(found: ItemSnapshot, revision: Revision, site: Site) -> str:
    """
    Return the path that the revision asks for.

    A chosen slug is used as it is; else the item keeps the last segment it has, and at first makes one from its title.
    """
    slug = revision.slug
    if slug is None and found.item is not None and found.item.path is not None:
        kept = last_segment(found.item.path)
        # Older releases took slugs that are reserved now.
        slug = None if is_reserved(kept) else kept
    slug = slug or slug_from_title(revision.title)
    public = found.public
    if public is not None and public.path is not None and public.published_at == revision.published_at:
        # The address keeps its month, whatever has become of the site's time zone.
        year, month = public.path.split("/")[-4:-2]
        return item_path(revision.lang, revision.section, year + month, slug)
    return revision.provisional_path(found.now, site.zone, slug)


def publication(change: ItemChange, found: ItemSnapshot, revision: Revision, path: str) -> Write:
    """Return the write that makes `revision` public at `path` now."""
    item = found.item
    public = revision.model_copy(update={"path": path})
    before = listed_before(found)
    return Write(
        write_id=change.write_id,
        before=item,
        after=replace(
            item_after(change, item, public, "published"),
            public=public.number,
            path=path,
            last_event=public.number,
            epochs=epochs_with(found, public.number),
        ),
        public_before=before,
        public_after=public,
        revision=public,
        event=NewEvent(
            type="item.revised.v1" if before else "item.published.v1",
            update_type=public.update_type if before else "major",
            occurred_at=found.now,
            trace_id=change.actor.trace_id,
        ),
        note=change.note("revised" if before else "published"),
    )


def unseen(change: ItemChange, found: ItemSnapshot, revision: Revision) -> Write:
    """
    Return the write that changes nothing for readers: no path, no index, no event tells of it.

    `revision` waits for its moment; without a moment it repeats the public one, so that what waited is given up.
    """
    item = found.item
    before = listed_before(found)
    state: State = item.state if item and (item.public or item.state == "published") else "scheduled"
    return Write(
        write_id=change.write_id,
        before=item,
        after=replace(item_after(change, item, revision, state), publish_at=revision.publish_at),
        public_before=before,
        public_after=before,
        revision=revision,
        note=change.note("scheduled" if revision.publish_at else "cancelled"),
    )


def is_back_at_public(found: ItemSnapshot, revision: Revision) -> bool:
    """Whether the revision says what readers see already, so that only what waits is given up."""
    item, public = found.item, found.public
    return (
        item is not None
        and item.state == "published"
        and item.publish_at is not None
        and revision.publish_at is None
        and public is not None
        and public.content_sha256 == revision.content_sha256
    )


def listed_before(found: ItemSnapshot) -> Revision | None:
    """Return the revision that is public before the write, or None where the item is not published."""
    return found.public if found.item is not None and found.item.state == "published" else None


def item_after(change: ItemChange, item: Item | None, revision: Revision, state: State) -> Item:
    """Return where the item stands with `revision` as its newest: readers see what they saw, and nothing waits."""
    return Item(
        id=change.item_id,
        source=change.source,
        external_id=change.external_id,
        state=state,
        latest=revision.number,
        public=item.public if item else 0,
        content_sha256=revision.content_sha256,
        path=item.path if item else None,
        accepted_at=revision.accepted_at,
        released_at=item.released_at if item else None,
        publish_at=None,
        last_event=item.last_event if item else 0,
        announced=item.announced if item else 0,
        epochs=item.epochs if item else NO_EPOCHS,
    )


def epochs_with(found: ItemSnapshot, revision: int) -> EventEpochs:
    """Return the item's epochs with the event that the revision makes now."""
    return (found.item.epochs if found.item else NO_EPOCHS).with_event(revision, found.epoch)


def taken_path(path: str, slug: str) -> Conflict:
    """Return the refusal of a chosen slug that another item has."""
    return Conflict(f'the path {path} belongs to another item: choose a slug other than "{slug}"')


def being_erased(change: ItemChange) -> BeingErased:
    """Return the refusal of a change of an item that is being erased."""
    return BeingErased(f'item "{change.source}/{change.external_id}" is being erased: send it again when that is over')


def taken_translation(revision: Revision) -> Conflict:
    """Return the refusal of a second item of one language in a translation set."""
    return Conflict(f'the translation set "{revision.translation_set}" has an item in {revision.lang} already')


def released(found: ItemSnapshot) -> Revision | None:
    """Return the revision whose moment has come, ready to be public; None where nothing is due."""
    item, latest = found.item, found.latest
    if item is None or latest is None or item.publish_at is None or item.publish_at > found.now:
        return None
    return latest.model_copy(update={"published_at": latest.published_at or item.publish_at, "publish_at": None})
