"""The rules of withdrawing: an item ends, and readers are told what became of it."""

from collections.abc import Mapping
from dataclasses import replace

from services.ingest.publishing.rules import ItemChange, epochs_with, item_after, listed_before, next_moment
from shared.model.items import Item, Revision, Withdrawal
from shared.store.item_store import ItemSnapshot
from shared.store.item_writer import NewEvent, Write

# What an erased item leaves in its last event, so that subscribers find it in their own store: which lists it stood in.
_LEFT_BY_ERASURE: Mapping[str, object] = {
    "title": "",
    "summary": None,
    "body": "",
    "change_note": None,
    "slug": None,
    "authors": (),
    "place": None,
    "images": (),
    "attachments": (),
    "document": None,
    "kind_data": None,
}


def is_withdrawn_so(found: ItemSnapshot, content: Revision, withdrawal: Withdrawal) -> bool:
    """Whether the item is withdrawn in this very way already."""
    latest = found.latest
    return latest is not None and latest.withdrawal == withdrawal and latest.content_sha256 == content.content_sha256


def withdrawal_write(
    change: ItemChange, found: ItemSnapshot, item: Item, content: Revision, withdrawal: Withdrawal
) -> Write:
    """
    Return the write that withdraws the item; what waits is given up with it.

    What was never public is only cancelled: there is no event, and no path tells that there was anything.
    """
    revision = content.model_copy(
        update={
            "number": item.latest + 1,
            "accepted_at": next_moment(found),
            "publish_at": None,
            "update_type": "major",
            "withdrawal": withdrawal,
        }
    )
    after = item_after(change, item, revision, "withdrawn")
    event = None
    if item.public:
        epochs = epochs_with(found, revision.number)
        after = replace(after, public=revision.number, last_event=revision.number, epochs=epochs)
        event = NewEvent("item.withdrawn.v1", "major", found.now, change.actor.trace_id)
    return Write(
        write_id=change.write_id,
        before=item,
        after=after,
        public_before=listed_before(found),
        revision=revision,
        event=event,
        note=change.note("withdrawn" if item.public else "cancelled"),
    )


def withdrawn_content(found: ItemSnapshot, *, erased: bool = False) -> Revision | None:
    """
    Return the content that a withdrawal repeats: what readers saw, never what waited unseen beside it.

    None where the item has been erased, and nothing is left to withdraw.
    """
    content = found.public or found.latest
    if content is None or not erased:
        return content
    return content.model_copy(update=_LEFT_BY_ERASURE)
