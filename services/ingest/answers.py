"""What upstream systems and readers of the content API are answered."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from shared.ids import EventId, ItemId
from shared.items import Attachment, BodyFormat, DocumentData, Image, PublicItem, Revision, State, Withdrawal

# What a revision has beside the fields that PUT takes.
_NOT_SENT = {"number", "accepted_at", "path", "withdrawal"}


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class Scheduled(_Answer):
    """The revision that waits beside the public one."""

    revision: int
    publish_at: datetime


class Receipt(_Answer):
    """What came of sending an item."""

    id: ItemId
    source: str
    external_id: str
    revision: int
    state: State
    url: str
    event_id: EventId | None
    changed: bool
    scheduled: Scheduled | None = None


class SentItem(_Answer):
    """The item as PUT takes it: fetched, changed and sent back, it is its next revision."""

    lang: str
    section: str
    title: str
    summary: str | None
    body: str
    body_format: BodyFormat
    published_at: datetime | None
    publish_at: datetime | None
    tags: tuple[str, ...]
    slug: str | None
    translation_set: str | None
    update_type: str
    change_note: str | None
    authors: tuple[str, ...]
    place: str | None
    images: tuple[Image, ...]
    attachments: tuple[Attachment, ...]
    document: DocumentData | None

    @classmethod
    def of(cls, revision: Revision) -> "SentItem":
        return cls.model_validate(revision.model_dump(exclude=_NOT_SENT))


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


class ItemAnswer(_Answer):
    """An item at its newest revision."""

    id: ItemId
    source: str
    external_id: str
    revision: int
    state: State
    url: str
    event_id: EventId | None
    scheduled: Scheduled | None = None
    accepted_at: datetime
    withdrawal: Withdrawal | None
    item: SentItem


class PreviewLink(_Answer):
    """A link that shows a revision to whoever has it, until it expires."""

    url: str
    revision: int
    expires_at: datetime


class Erasure(_Answer):
    """What is left of an item that was erased, or is about to be (202) once subscribers have been told."""

    id: ItemId
    source: str
    external_id: str
    erased: bool


class ListedItem(_Answer):
    """An item as its readers see it."""

    id: ItemId
    source: str
    external_id: str
    revision: int
    url: str
    lang: str
    section: str
    title: str
    summary: str | None
    body: str
    body_format: BodyFormat
    published_at: datetime
    released_at: datetime
    tags: tuple[str, ...]
    translation_set: str | None
    change_note: str | None
    authors: tuple[str, ...]
    place: str | None
    images: tuple[Image, ...]
    attachments: tuple[Attachment, ...]
    document: DocumentData | None
    content_sha256: str

    @classmethod
    def of(cls, item: PublicItem, base_url: str) -> "ListedItem":
        revision = item.revision
        content = revision.model_dump(include=set(cls.model_fields))
        return cls(
            **content
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


class Accepted(_Answer):
    at: datetime
    revision: int
    event_id: EventId | None


class Announced(_Answer):
    at: datetime
    log_id: str


class Timeline(_Answer):
    """How far the newest event of an item has come."""

    id: ItemId
    source: str
    external_id: str
    state: State
    revision: int
    url: str
    scheduled: Scheduled | None = None
    accepted: Accepted
    announced: Announced | None
    """Since then its page and every feed that lists it can be read."""
    unrenderable: str | None
    """Why the revision could not be rendered, where readers were left with the one before."""
