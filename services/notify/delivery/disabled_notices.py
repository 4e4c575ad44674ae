"""Tell operators which endpoints were disabled: enqueue a delivery for each subscription to `endpoint.disabled.v1`."""

import contextlib
from collections.abc import Awaitable, Callable

import structlog

from services.notify.model.delivery import Delivery
from services.notify.model.log_position import LOG_START
from services.notify.model.subscription import ENDPOINT_DISABLED, Subscription
from services.notify.subscriptions.store import SubscriptionStore
from shared.model.clock import iso, to_ms
from shared.model.errors import NotFound
from shared.model.events import webhook_body
from shared.model.ids import EventId, SubscriptionId, delivery_id

log = structlog.get_logger()

Enqueue = Callable[[SubscriptionId, Delivery], Awaitable[None]]


class DisabledNotices:
    """
    Enqueues the notices that are due, according to the subscriptions' records.

    The record is changed after its notice is enqueued. A crash in between enqueues the notice again, under the same id.
    """

    def __init__(self, store: SubscriptionStore, enqueue: Enqueue, on_enqueued: Callable[[], None]) -> None:
        self._store = store
        self._enqueue = enqueue
        self._on_enqueued = on_enqueued

    async def tell_all(self) -> None:
        """Enqueue a notice for every disabled endpoint that operators have not been told of."""
        await self._store.refresh_all()
        known = [one for mirror in self._store.mirrors for one in mirror.subscriptions.values()]
        for one in [subscription for subscription in known if subscription.notice_due]:
            # An operator's endpoint that is disabled, too, gets the notices when it is resumed, except its own.
            operators = [other.id for other in known if ENDPOINT_DISABLED in other.filter.types and other.id != one.id]
            await self._tell(one, operators)

    async def _tell(self, one: Subscription, operators: list[SubscriptionId]) -> None:
        event_id, body = disabled_notice(one)
        for operator in operators:
            notice, since_ms = delivery_id(event_id, operator), to_ms(one.state_since)
            delivery = Delivery(notice, event_id, ENDPOINT_DISABLED, LOG_START, since_ms, body=body)
            with contextlib.suppress(NotFound):
                await self._enqueue(operator, delivery)
        with contextlib.suppress(NotFound):
            await self._store.change(one.id, lambda before, _: before.model_copy(update={"notice_due": False}))
        self._on_enqueued()
        log.warning(
            "endpoint.disabled",
            subscription=one.id,
            reason=one.state_reason,
            contact=one.contact,
            operators_told=len(operators),
        )


def disabled_notice(one: Subscription) -> tuple[EventId, str]:
    """Return the notice's event id, which is always the same for one endpoint and time, and its body."""
    event_id = EventId(f"disabled-{one.id}-{to_ms(one.state_since)}")
    about = {
        "id": one.id,
        "url": one.url,
        "description": one.description,
        "contact": one.contact,
        "owner": one.owner,
        "reason": one.state_reason,
        "disabled_at": iso(one.state_since),
    }
    return event_id, webhook_body(ENDPOINT_DISABLED, one.state_since, {"event_id": event_id, "subscription": about})
