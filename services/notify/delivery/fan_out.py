"""The rules of fan-out: which subscriptions get an event, and in which order deliveries are enqueued."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.notify.model.delivery import Delivery
from services.notify.model.filter import Candidate, Listener
from services.notify.model.log_position import Cursor
from shared.model.ids import delivery_id


@dataclass(frozen=True)
class FanOutPlan:
    """The deliveries of one step, in the order of the log, and the shard's cursor after it."""

    deliveries: tuple[Delivery, ...]
    cursor: Cursor


def plan(
    entries: Sequence[Candidate], listeners: Sequence[Listener], cursor: Cursor, limit: int, *, now_ms: int
) -> FanOutPlan:
    """
    Return the next step of a shard: at most `limit` deliveries from `entries`, which follow the cursor in the log.

    `listeners` are sorted by id. So a step may end in the middle of an event, and the next step goes on there.
    """
    deliveries: list[Delivery] = []
    for entry in entries:
        resumed_after = cursor.upto if cursor.within == entry.log_id else None
        for listener in listeners:
            if resumed_after is not None and listener.id <= resumed_after:
                continue
            event, heard = entry.event, listener.hears(entry)
            if event is None or heard is None:
                continue
            if len(deliveries) == limit:
                return FanOutPlan(tuple(deliveries), cursor)
            one = delivery_id(event.id, listener.id)
            deliveries.append(Delivery(one, event.id, heard.event_type, entry.log_id, now_ms, left=heard.left))
            cursor = Cursor(cursor.passed, entry.log_id, listener.id)
        cursor = Cursor(passed=entry.log_id)
    return FanOutPlan(tuple(deliveries), cursor)
