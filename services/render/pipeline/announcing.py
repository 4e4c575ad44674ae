"""Announce events: what subscribers are told is fixed when an event's pages can be read."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from redis.asyncio import Redis

from services.render.feeds.feed import FeedFormat
from services.render.feeds.formats import FEED_FORMATS
from services.render.output.history import VolumeHistory
from shared.model.clock import span_ms, to_ms
from shared.model.errors import Unavailable
from shared.model.events import FEEDS_CHANGED, AnnouncedEvent, ItemEvent, webhook_body
from shared.model.items import Revision
from shared.model.listings import Listing
from shared.model.stream_id import StreamId
from shared.model.urls import feed_path
from shared.store import keys
from shared.store.history import History
from shared.store.receipts import NO_FILES, REVISIONS_KEPT, ShownFiles
from shared.store.scripts import Script
from shared.store.streams import Entry

# Standard Webhooks asks for less than 20 kB, of which type and timestamp take a hundred.
_MAX_DATA_BYTES = 19_800


@dataclass(frozen=True)
class Announcement:
    """What to do about an entry of `items` when its pages are written: tell of it, or bury it for a reason."""

    entry: Entry
    event: ItemEvent
    told: AnnouncedEvent | None
    reason: str = ""
    shown: ShownFiles = NO_FILES
    facts: str = ""
    """What filters look at, as JSON, for the item's next event; empty for an event that ends the item."""
    was: str = ""
    """The same of the revision before, for an item whose events of older releases left no facts."""


@dataclass(frozen=True)
class BatchAge:
    """How long ago a batch's files were written, and how long ago the purge hook had been told of them."""

    rendered: timedelta = timedelta()
    visible: timedelta = timedelta()


_JUST_NOW = BatchAge()


def announced_event(
    event: ItemEvent,
    revision: Revision,
    listings: Iterable[Listing],
    identity: tuple[str, str],
    base_url: str,
    *,
    feed_formats: Sequence[FeedFormat] = FEED_FORMATS,
    before: Revision | None = None,
) -> AnnouncedEvent:
    """Return what is told of the event: a minor revision concerns feeds, and those whose filter the item left."""
    feeds = tuple(feed_path(listing.path, one.name) for listing in sorted(listings) for one in feed_formats)
    if event.type == "item.revised.v1" and event.update_type == "minor":
        moved_body = ""
        if before is not None and facts_of(before) != facts_of(revision):
            data = _data(event, revision, identity, feeds, base_url)
            moved_body = webhook_body(event.type, event.occurred_at, data)
        occurred_at = event.occurred_at.isoformat()
        return AnnouncedEvent(event.id, FEEDS_CHANGED, occurred_at, event.trace_id, "", feeds, moved_body=moved_body)
    body = webhook_body(event.type, event.occurred_at, _data(event, revision, identity, feeds, base_url))
    return AnnouncedEvent(event.id, event.type, event.occurred_at.isoformat(), event.trace_id, body, feeds)


def facts_of(revision: Revision) -> str:
    """Return what filters look at, as JSON; nothing for a revision that ends its item."""
    if revision.withdrawal is not None:
        return ""
    return json.dumps({"lang": revision.lang, "section": revision.section, "tags": sorted(revision.tags)})


def facts_before(revision: Revision | None) -> str:
    """Return the facts of a revision whose event left none, placed in the log by when the revision was accepted."""
    facts = facts_of(revision) if revision is not None else ""
    if revision is None or not facts:
        return ""
    return json.dumps({**json.loads(facts), "log_id": str(StreamId(to_ms(revision.accepted_at)))})


def _data(
    event: ItemEvent, revision: Revision, identity: tuple[str, str], feeds: Sequence[str], base_url: str
) -> Mapping[str, object]:
    source, external_id = identity
    told = revision.model_dump(
        mode="json",
        include={
            "lang",
            "section",
            "title",
            "summary",
            "tags",
            "published_at",
            "update_type",
            "change_note",
            "translation_set",
        },
    )
    item = {
        "id": event.item_id,
        "source": source,
        "external_id": external_id,
        "revision": revision.number,
        "content_sha256": revision.content_sha256,
        **told,
    }
    api_url = f"{base_url}/v1/items/{source}/{external_id}"
    data = {
        "event_id": event.id,
        "item": item,
        "url": f"{base_url}{revision.path}",
        "api_url": api_url,
        "feeds": [base_url + path for path in feeds],
    }
    if revision.is_erased:
        # This event outlives the erasure, and the address was made of the title.
        data["url"], item["translation_set"] = api_url, None
    # The limits of an item keep nearly every body below this. The longest texts are dropped first.
    for shortened in ("summary", "change_note"):
        if _size(data) <= _MAX_DATA_BYTES:
            break
        item[shortened] = None
    if _size(data) > _MAX_DATA_BYTES:
        data["feeds"] = []
    return data


def _size(data: Mapping[str, object]) -> int:
    return len(json.dumps(data, ensure_ascii=False).encode())


class OtherHistory(Unavailable):
    """The store is not of the history that the volume was written from: nothing was announced."""


class Announcer:
    """Appends to the log."""

    def __init__(
        self, redis: Redis, receipts_kept: timedelta = timedelta(days=30), volume: VolumeHistory | None = None
    ) -> None:
        self._volume = volume
        self._script = Script(redis, __name__, "announce.lua")
        self._receipts_kept_ms = span_ms(receipts_kept)

    @property
    def history(self) -> History | None:
        """The history that the volume was written from, as far as this process knows."""
        return self._volume.known if self._volume else None

    async def announce(
        self, announcements: Sequence[Announcement], age: BatchAge = _JUST_NOW, history: History | None = None
    ) -> int:
        """
        Announce and acknowledge, and write the receipts, in one script; return how many events went out.

        `history` is that of the moment before the items were read: the ids of their events are of its epoch. It is
        idempotent. Raises OtherHistory.
        """
        if not announcements:
            return 0
        script_keys = [keys.ITEMS_STREAM, keys.PAGES_STREAM, keys.DEAD_LETTERS, keys.HISTORY]
        for one in announcements:
            item_id = one.event.item_id
            script_keys += [keys.item(item_id), keys.rendered(item_id), keys.receipts(item_id)]
        known = history or self.history
        argument = {
            **({"epoch": str(known.epoch), "worked": str(known.pages)} if known else {}),
            "group": keys.RENDER_GROUP,
            "rendered_ms": span_ms(age.rendered),
            "visible_ms": span_ms(age.visible),
            "receipts_kept_ms": self._receipts_kept_ms,
            "revisions_kept": REVISIONS_KEPT,
            "announcements": [_spelled(one) for one in announcements],
        }
        answer = await self._script(script_keys, argument)
        if answer is None:
            raise OtherHistory("the store is of another history than the volume")
        announced, last = answer
        if self._volume:
            self._volume.advance(pages=StreamId.parse(str(last)))
        return int(announced)


def _spelled(one: Announcement) -> Mapping[str, object]:
    """Return the announcement as announce.lua reads it."""
    fields = one.told.to_fields() if one.told else {}
    return {
        "entry": one.entry.id,
        "revision": str(one.event.revision),
        "previous": str(one.event.previous),
        "told": json.dumps([part for pair in fields.items() for part in pair], ensure_ascii=False),
        "reason": one.reason,
        "files": one.shown.to_json() if one.told else "",
        "replay": "replay" in one.entry.fields,
        "facts": one.facts,
        "was": one.was,
    }
