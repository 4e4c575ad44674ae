"""The answers to upstream systems and to readers of the content API."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from shared.model.ids import EventId, ItemId
from shared.model.items import Attachment, BodyFormat, DocumentData, Image, PublicItem, Revision, State, Withdrawal

# The fields of a revision that PUT does not take.
_NOT_SENT = {"number", "accepted_at", "path", "withdrawal", "major_at", "kind_data"}


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Identity(_Answer):
    id: ItemId
    source: str
    external_id: str


class ScheduledRevision(_Answer):
    """The revision that waits beside the public one."""

    revision: int
    publish_at: datetime


class _ItemState(_Identity):
    revision: int
    state: State
    url: str
    event_id: EventId | None
    scheduled: ScheduledRevision | None = None


class Receipt(_ItemState):
    """The answer to an item that was sent."""

    changed: bool

    @property
    def status(self) -> int:
        """201 for an item's first revision, else 200."""
        return 201 if self.changed and self.revision == 1 else 200


class _Content(_Answer):
    model_config = ConfigDict(extra="allow")

    lang: str
    section: str
    title: str
    summary: str | None
    body: str
    body_format: BodyFormat
    tags: tuple[str, ...]
    translation_set: str | None
    change_note: str | None
    authors: tuple[str, ...]
    place: str | None
    images: tuple[Image, ...]
    attachments: tuple[Attachment, ...]
    document: DocumentData | None


class SentItem(_Content):
    """The item as PUT takes it: fetched, changed and sent back, it is its next revision."""

    published_at: datetime | None
    publish_at: datetime | None
    slug: str | None
    update_type: str

    @classmethod
    def of(cls, revision: Revision) -> "SentItem":
        return cls.model_validate({**revision.model_dump(exclude=_NOT_SENT), **(revision.kind_data or {})})


class RevisionAnswer(_Answer):
    """One numbered state of an item."""

    revision: int
    accepted_at: datetime
    public: bool
    """Whether it is what readers see."""
    withdrawal: Withdrawal | None
    item: SentItem

    @classmethod
    def of(cls, revision: Revision, *, public: bool) -> "RevisionAnswer":
        return cls(
            revision=revision.number,
            accepted_at=revision.accepted_at,
            public=public,
            withdrawal=revision.withdrawal,
            item=SentItem.of(revision),
        )


class RevisionsAnswer(_Answer):
    """The revisions of an item, newest first; `next` is the number to go on before."""

    revisions: tuple[RevisionAnswer, ...]
    next: int | None


class ItemAnswer(_ItemState):
    """An item at its newest revision."""

    accepted_at: datetime
    withdrawal: Withdrawal | None
    item: SentItem


class PreviewLink(_Answer):
    """A link that shows a revision to whoever has it, until it expires."""

    url: str
    revision: int
    expires_at: datetime


class Erasure(_Identity):
    """An item that is erased, or will be (202) as soon as subscribers have been told."""

    erased: bool


class ListedItem(_Content, _Identity):
    """An item as its readers see it."""

    revision: int
    url: str
    published_at: datetime
    released_at: datetime
    content_sha256: str

    @classmethod
    def of(cls, item: PublicItem, base_url: str) -> "ListedItem":
        revision = item.revision
        content = revision.model_dump(include=set(cls.model_fields))
        return cls(
            **content
            | dict(revision.kind_data or {})
            | {
                "id": item.item.id,
                "source": item.item.source,
                "external_id": item.item.external_id,
                "revision": revision.number,
                "url": base_url + item.path,
                "published_at": item.published_at,
                "released_at": item.released_at,
                "content_sha256": revision.content_sha256,
            }
        )


class ItemsAnswer(_Answer):
    """A page of items, newest first; `next` is the cursor of the page after it, null at the end."""

    items: tuple[ListedItem, ...]
    next: str | None


class AcceptedStep(_Answer):
    at: datetime
    revision: int
    publish_at: datetime | None
    """The end of its embargo, if it had one."""
    event_id: EventId | None
    """None while the revision waits, and for a revision that never became public."""


class RenderedFile(_Answer):
    """A file of the site that shows the revision."""

    path: str
    sha256: str | None
    """Of its bytes on the volume; None where the revision left no file there."""


class RenderedStep(_Answer):
    at: datetime
    files: tuple[RenderedFile, ...]
    left_out: int
    """How many more files there are than the receipt names."""


class VisibleStep(_Answer):
    at: datetime


class AnnouncedStep(_Answer):
    at: datetime
    log_id: str


class DeliveryCount(_Answer):
    """To how many subscriptions the event was delivered, of how many."""

    delivered: int
    of: int
    given_up: int
    last_at: datetime | None


class Timeline(_Identity):
    """
    How far a revision of an item has come: its publication receipt.

    It is kept of the newest twenty revisions, for as long as the log keeps their events.
    """

    state: State
    revision: int
    """The item's newest."""
    url: str
    scheduled: ScheduledRevision | None = None
    accepted: AcceptedStep
    rendered: RenderedStep | None
    visible: VisibleStep | None
    """Since then every reader sees it: caches in front of the site have been purged, too."""
    announced: AnnouncedStep | None
    delivered: DeliveryCount | None
    unrenderable: str | None
    """Which edition of the site could not render the revision and why, where readers were left with the one before."""
    forgotten: bool
    """Whether the receipt has expired, so that nothing more is known."""


class AuditedAct(_Answer):
    """An act of somebody on an item."""

    at: datetime
    actor: str
    """The name of the key; `schedule` for a release at the end of an embargo."""
    act: str
    id: str
    source: str
    external_id: str
    revision: int
    trace_id: str


class AuditAnswer(_Answer):
    """Acts, newest first; `next` is the cursor of the page after it, null at the end."""

    acts: tuple[AuditedAct, ...]
    next: str | None
