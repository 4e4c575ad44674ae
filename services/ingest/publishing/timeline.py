"""How far a revision has come: its publication receipt."""

from redis.asyncio import Redis

from services.ingest.contract.answers import (
    AcceptedStep,
    AnnouncedStep,
    DeliveryCount,
    Receipt,
    RenderedFile,
    RenderedStep,
    Timeline,
    VisibleStep,
)
from shared.model.items import Item, Revision
from shared.store.receipts import RenderReceipt, read_receipt, read_tally


class Timelines:
    """Reads the receipts of render and the tallies of notify."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def of(self, item: Item, revision: Revision, receipt: Receipt) -> Timeline:
        """Return how far the revision of the item has come; `receipt` is the item's."""
        number = revision.number
        rendered = await read_receipt(self._redis, item.id, number)
        is_unrenderable = item.unrenderable == number
        had_event = rendered is not None or number == item.last_event
        return Timeline(
            **receipt.model_dump(include={"id", "source", "external_id", "state", "revision", "url", "scheduled"}),
            accepted=AcceptedStep(
                at=revision.accepted_at,
                revision=number,
                publish_at=revision.publish_at,
                event_id=item.event_id_of(number) if had_event else None,
            ),
            rendered=_rendered(rendered) if rendered else None,
            visible=VisibleStep(at=rendered.visible_at) if rendered else None,
            announced=_announced(rendered) if rendered else None,
            delivered=await self._delivered(item, number) if rendered and rendered.log_id else None,
            unrenderable=f"edition {item.unrenderable_edition}: {item.unrenderable_reason}"
            if is_unrenderable
            else None,
            forgotten=rendered is None and not is_unrenderable and number <= item.announced,
        )

    async def _delivered(self, item: Item, number: int) -> DeliveryCount:
        tally = await read_tally(self._redis, item.event_id_of(number))
        return DeliveryCount(delivered=tally.delivered, of=tally.enqueued, given_up=tally.dead, last_at=tally.last_at)


def _rendered(receipt: RenderReceipt) -> RenderedStep:
    files = tuple(RenderedFile(path=file.path, sha256=file.sha256) for file in receipt.shown.files)
    return RenderedStep(at=receipt.rendered_at, files=files, left_out=receipt.shown.left_out)


def _announced(receipt: RenderReceipt) -> AnnouncedStep | None:
    if receipt.log_id is None or receipt.announced_at is None:
        return None
    return AnnouncedStep(at=receipt.announced_at, log_id=receipt.log_id)
