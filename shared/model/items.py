"""What an item is: its content revision by revision, and where it stands."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from shared.model.epochs import NO_EPOCHS, EventEpochs
from shared.model.ids import EventId, ItemId, event_id
from shared.model.urls import item_path, month_of, slug_from_title

BodyFormat = Literal["text", "markdown", "html"]
UpdateType = Literal["major", "minor"]
WithdrawMode = Literal["gone", "redirect", "notice"]
State = Literal["scheduled", "published", "withdrawn"]

# What does not change what a reader sees: how it was announced, when it was taken in, where it was put.
_NOT_CONTENT = frozenset({"number", "accepted_at", "update_type", "publish_at", "path", "withdrawal", "major_at"})


# Content that release 0.1 did not know, empty by default. The hash covers it where it is not empty, so that nobody is
# told of items whose senders do not use it.
_LATER = frozenset({"kind_data"})


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Image(_Value):
    url: str
    alt: str
    caption: str | None = None
    credit: str | None = None
    width: int | None = None
    height: int | None = None


class Attachment(_Value):
    url: str
    title: str
    media_type: str
    size_bytes: int | None = None


class DocumentData(_Value):
    """What an official document carries beside its text."""

    number: Annotated[str, Field(max_length=200)] | None = None
    signed_on: date | None = None
    signed_by: Annotated[str, Field(max_length=200)] | None = None


class Withdrawal(_Value):
    mode: WithdrawMode
    to: str | None = None
    notice: str | None = None


class Revision(_Value):
    """
    One numbered state of an item, as it is kept in the store.

    `published_at` is None only while the item waits for its moment, and so is `path`: both are fixed when it
    becomes public. A revision with a `withdrawal` repeats the content that it withdraws.
    """

    number: int
    accepted_at: datetime
    lang: str
    section: str
    title: str
    summary: str | None = None
    body: str
    body_format: BodyFormat = "text"
    published_at: datetime | None = None
    publish_at: datetime | None = None
    tags: tuple[str, ...] = ()
    slug: str | None = None
    translation_set: str | None = None
    update_type: UpdateType = "major"
    change_note: str | None = None
    authors: tuple[str, ...] = ()
    place: str | None = None
    images: tuple[Image, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    document: DocumentData | None = None
    kind_data: Mapping[str, JsonValue] | None = None
    """What the item carries for other kinds of sections than documents, by the kind's name."""
    path: str | None = None
    withdrawal: Withdrawal | None = None
    major_at: datetime | None = None
    """When readers could first see the last major revision, where this one is minor."""

    @property
    def translation_slot(self) -> tuple[str, str] | None:
        """The translation set and the language in it that the revision holds while it is public; None for none."""
        if self.withdrawal is not None or self.translation_set is None:
            return None
        return self.translation_set, self.lang

    @property
    def is_erased(self) -> bool:
        """Whether it is the withdrawal that an erasure makes: nothing of the content is left in it."""
        return self.withdrawal is not None and not self.title

    def provisional_path(self, now: datetime, zone: ZoneInfo, slug: str | None = None) -> str:
        """Return the path of its page if it becomes public at its moment, or now; `slug` replaces its own."""
        month = month_of(self.published_at or self.publish_at or now, zone)
        return item_path(self.lang, self.section, month, slug or self.slug or slug_from_title(self.title))

    def data_of(self, kind: str) -> BaseModel | JsonValue:
        """Return what the item carries for a kind of sections, or None."""
        return self.document if kind == "document" else (self.kind_data or {}).get(kind)

    @property
    def content_sha256(self) -> str:
        """The same for two revisions that a reader could not tell apart."""
        unused = {name for name in _LATER if not getattr(self, name)}
        content = self.model_dump(mode="json", exclude={*_NOT_CONTENT, *unused})
        return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


@dataclass(frozen=True)
class ItemMonths:
    """The months (`yyyymm`) under which a shown item is numbered; a change of the time zone leaves them as they are."""

    published: str
    released: str


@dataclass(frozen=True)
class LeftPage:
    """A path where the item's page stood until revision `by` was shown; the file may still be there."""

    path: str
    by: int


@dataclass(frozen=True)
class LeftPlace:
    """A numbered place that the item had in a month of a listing until another revision was shown."""

    listing: str
    kind: Literal["archive", "feed"]
    month: str
    number: int


@dataclass(frozen=True)
class Item:
    """
    Where an item stands.

    scheduled: accepted, never public yet; `publish_at` says when it will be.
    published: revision `public` is decided to be public; a later one may wait beside it until `publish_at`. `public`
        is 0 where the only revision could not be rendered.
    withdrawn: revision `public` is a withdrawal.

    Readers see revision `shown`. Render shows `public` when the item's page is on the volume, so `shown` is behind
    `public` while a batch is waiting or in hand.
    """

    id: ItemId
    source: str
    external_id: str
    state: State
    latest: int
    """The newest revision's number."""
    public: int
    """The number of the revision that is decided to be public; 0 for none."""
    content_sha256: str
    """Of the newest revision."""
    path: str | None
    accepted_at: datetime
    released_at: datetime | None
    """When its listing in feeds began, fixed by the showing: what feeds are sorted by. None before it is shown."""
    publish_at: datetime | None
    last_event: int
    """The revision that made the newest event; 0 for none."""
    announced: int
    """The revision whose event was announced last; 0 for none."""
    unrenderable: int = 0
    """The newest revision that could not be rendered, so that readers keep what they see; 0 for none."""
    unrenderable_reason: str = ""
    unrenderable_edition: int = 0
    """The number of the edition that could not render it."""
    shown: int = 0
    """The number of the revision that readers see; 0 for none."""
    months: ItemMonths | None = None
    left_pages: tuple[LeftPage, ...] = ()
    """What showings have left behind and no announced batch has removed yet; `left_places` likewise."""
    left_places: tuple[LeftPlace, ...] = ()
    epochs: EventEpochs = NO_EPOCHS

    @property
    def event_id(self) -> EventId | None:
        return self.event_id_of(self.last_event) if self.last_event else None

    def event_id_of(self, revision: int) -> EventId:
        """Return the id of the event that the revision made."""
        return event_id(self.id, revision, self.epochs.of(revision))


@dataclass(frozen=True)
class PublicItem:
    """An item with the revision that readers see, or are about to see."""

    item: Item
    revision: Revision

    @property
    def is_listed(self) -> bool:
        """Whether lists show the item: it is not withdrawn."""
        return self.revision.withdrawal is None

    @property
    def has_page(self) -> bool:
        """Whether the item has a page: it is listed, or withdrawn in the way that leaves its page, under a notice."""
        return self.revision.withdrawal is None or self.revision.withdrawal.mode == "notice"

    @property
    def published_at(self) -> datetime:
        if self.revision.published_at is None:
            raise ValueError(f"item {self.item.id} is public and has no published_at")
        return self.revision.published_at

    @property
    def released_at(self) -> datetime:
        if self.item.released_at is None:
            raise ValueError(f"item {self.item.id} is public and has no released_at")
        return self.item.released_at

    @property
    def became_public_at(self) -> datetime:
        """When readers could first see the public revision, never before the date that they see."""
        moments = [self.revision.accepted_at, self.published_at, self.item.released_at, self.revision.publish_at]
        return max(moment for moment in moments if moment is not None)

    @property
    def major_at(self) -> datetime:
        """When readers could first see the last major revision, never before the date that they see."""
        if self.revision.major_at is None:
            return self.became_public_at
        return max(self.revision.major_at, self.released_at, self.published_at)

    @property
    def path(self) -> str:
        if self.revision.path is None:
            raise ValueError(f"item {self.item.id} is public and has no path")
        return self.revision.path
