"""What the buttons of the console do. Each function acts and returns a sentence for the operator."""

from collections.abc import Callable
from datetime import UTC, datetime

from pydantic import ValidationError
from redis.asyncio import Redis
from starlette.requests import Request

from services.notify.console.ingest_client import IngestClient
from services.notify.console.routes import PLACE, ConsoleRoutes
from services.notify.console.sessions import Form, Operator
from services.notify.delivery.history import DeliveryHistory
from services.notify.delivery.replays import ReplayStore
from services.notify.model.delivery import subscription_of
from services.notify.subscriptions.requests import ResumeRequest
from services.notify.subscriptions.service import SubscriptionService
from shared.model.errors import Invalid, NotFound
from shared.model.ids import DeliveryId, SubscriptionId
from shared.store.dead_letters import DeadLetters
from shared.store.rebuild_request import request_rebuild


def add_subscription_buttons(
    console: ConsoleRoutes,
    *,
    service: SubscriptionService,
    history: DeliveryHistory,
    replays: ReplayStore,
    on_work: Callable[[], None],
    on_replay: Callable[[], None],
) -> None:
    """Declare the buttons of subscriptions and of their deliveries."""

    @console.button("/subscriptions/{subscription_id}/pause", "paused")
    async def pause(request: Request, operator: Operator, _: Form) -> str:
        await service.pause(_subscription_id(request), operator.key)
        return "Paused. What comes now is kept, and offered on resume."

    @console.button("/subscriptions/{subscription_id}/resume", "resumed")
    async def resume(request: Request, operator: Operator, form: Form) -> str:
        try:
            resume_request = ResumeRequest(after=form.get("after") or None)
        except ValidationError as error:
            raise Invalid("this is no place in the log") from error
        await service.resume(_subscription_id(request), resume_request, operator.key)
        on_work()
        return "Resumed. What was missed is enqueued first."

    @console.button("/subscriptions/{subscription_id}/ping", "pinged")
    async def ping(request: Request, operator: Operator, _: Form) -> str:
        delivery_id = await service.ping(_subscription_id(request), operator.key)
        on_work()
        return f"A test delivery is on its way: {delivery_id}"

    @console.button("/subscriptions/{subscription_id}/replay", "replayed")
    async def replay(request: Request, operator: Operator, form: Form) -> str:
        subscription = await service.find(_subscription_id(request), operator.key)
        since, until = _moment(form, "since"), _moment(form, "until")
        await replays.begin(subscription, "all" if form.get("only") == "all" else "failed", since, until)
        on_replay()
        return "The replay has begun. Deliveries keep the ids they had."

    @console.button("/deliveries/{delivery_id}/retry", "retried")
    async def retry(request: Request, operator: Operator, _: Form) -> str:
        delivery_id = DeliveryId(request.path_params["delivery_id"])
        await service.find(subscription_of(delivery_id), operator.key)
        await history.retry_now(delivery_id)
        on_work()
        return "It is tried again now."


def add_site_buttons(console: ConsoleRoutes, redis: Redis, ingest: IngestClient) -> None:
    """Declare the buttons that concern items and pages."""

    @console.button("/dead-letters/{letter_id}/replay", "event_replayed")
    async def replay_event(request: Request, _: Operator, __: Form) -> str:
        letter_id = request.path_params["letter_id"]
        if not PLACE.fullmatch(letter_id) or not await DeadLetters(redis).replay(letter_id):
            raise NotFound("this dead letter is not there any more, or its event was not kept")
        return "The event is back in its stream."

    @console.button("/rebuild", "rebuild_asked")
    async def rebuild(_: Request, operator: Operator, __: Form) -> str:
        if not await request_rebuild(redis, operator.key.name):
            return "A rebuild is under way already."
        return "The site is being rebuilt; what is right already is not written again."

    @console.button("/items/{source}/{external_id}/withdraw", "withdrawn")
    async def withdraw(request: Request, operator: Operator, form: Form) -> str:
        if form.get("sure") != "yes":
            raise Invalid("tick the box: withdrawing takes the item from its readers")
        withdrawal = {name: form[name] for name in ("mode", "to", "notice") if form.get(name)}
        await ingest.withdraw(operator, **request.path_params, withdrawal=withdrawal)
        return "Withdrawn. Its pages and lists follow within a moment."


def _subscription_id(request: Request) -> SubscriptionId:
    return SubscriptionId(request.path_params["subscription_id"])


def _moment(form: Form, name: str) -> datetime | None:
    """Return the moment in a field, which has no zone and means UTC. Raises Invalid."""
    if not form.get(name):
        return None
    try:
        return datetime.fromisoformat(form[name]).replace(tzinfo=UTC)
    except ValueError as error:
        raise Invalid(f"“{form[name][:40]}” is no moment") from error
