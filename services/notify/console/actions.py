"""What the console's buttons do, and what they tell when it is done."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from pydantic import ValidationError
from redis.asyncio import Redis

from services.notify.console.ingest_client import Ingest
from services.notify.console.sessions import Operator
from services.notify.delivery.history import DeliveryHistory
from services.notify.delivery.replays import ReplayStore
from services.notify.model.delivery import subscription_of
from services.notify.subscriptions.requests import ResumeRequest
from services.notify.subscriptions.service import Subscribing
from shared.model.errors import Invalid, NotFound
from shared.model.ids import DeliveryId, SubscriptionId
from shared.store.dead_letters import DeadLetters
from shared.store.rebuild_request import wish_for_rebuild

log = structlog.get_logger()

Form = Mapping[str, str]


@dataclass(frozen=True)
class Tools:
    """What the buttons work with."""

    redis: Redis
    subscribing: Subscribing
    history: DeliveryHistory
    replays: ReplayStore
    ingest: Ingest
    on_work: Callable[[], None]
    on_replay: Callable[[], None]


class Acts:
    """Each act returns a sentence for the operator; what it may not do, it raises as Refused."""

    def __init__(self, tools: Tools) -> None:
        self._redis = tools.redis
        self._subscribing = tools.subscribing
        self._history = tools.history
        self._replays = tools.replays
        self._ingest = tools.ingest
        self._on_work = tools.on_work
        self._on_replay = tools.on_replay
        self._dead_letters = DeadLetters(tools.redis)

    async def pause(self, operator: Operator, subscription_id: SubscriptionId) -> str:
        """Stop sending."""
        await self._subscribing.pause(subscription_id, operator.key)
        _log("paused", operator, subscription_id=subscription_id)
        return "Paused. What comes now is kept, and offered on resume."

    async def resume(self, operator: Operator, subscription_id: SubscriptionId, form: Form) -> str:
        """Go on sending, from where it stopped or from the place that the form names."""
        try:
            request = ResumeRequest(after=form.get("after") or None)
        except ValidationError as error:
            raise Invalid("this is no place in the log") from error
        await self._subscribing.resume(subscription_id, request, operator.key)
        self._on_work()
        _log("resumed", operator, subscription_id=subscription_id)
        return "Resumed. What was missed is enqueued first."

    async def ping(self, operator: Operator, subscription_id: SubscriptionId) -> str:
        """Send a test delivery."""
        delivery_id = await self._subscribing.ping(subscription_id, operator.key)
        self._on_work()
        _log("pinged", operator, subscription_id=subscription_id)
        return f"A test delivery is on its way: {delivery_id}"

    async def retry(self, operator: Operator, delivery_id: DeliveryId) -> str:
        """Make a delivery due at once."""
        await self._subscribing.find(subscription_of(delivery_id), operator.key)
        await self._history.retry_now(delivery_id)
        self._on_work()
        _log("retried", operator, delivery_id=delivery_id)
        return "It is tried again now."

    async def replay(self, operator: Operator, subscription_id: SubscriptionId, form: Form) -> str:
        """Have deliveries made again: those given up, or all that match."""
        subscription = await self._subscribing.find(subscription_id, operator.key)
        since, until = _moment(form, "since"), _moment(form, "until")
        replay = await self._replays.begin(subscription, "all" if form.get("only") == "all" else "failed", since, until)
        self._on_replay()
        _log("replayed", operator, subscription_id=subscription_id, replay_id=replay.id)
        return "The replay has begun. Deliveries keep the ids they had."

    async def replay_event(self, operator: Operator, letter_id: str) -> str:
        """Have render try an event again that it gave up."""
        if not await self._dead_letters.replay(letter_id):
            raise NotFound("this dead letter is not there any more, or its event was not kept")
        _log("event_replayed", operator, letter_id=letter_id)
        return "The event is back in its stream."

    async def rebuild(self, operator: Operator) -> str:
        """Have the whole site written anew."""
        if not await wish_for_rebuild(self._redis, operator.key.name):
            return "A rebuild is under way already."
        _log("rebuild_asked", operator)
        return "The site is being rebuilt; what is right already is not written again."

    async def withdraw(self, operator: Operator, source: str, external_id: str, form: Form) -> str:
        """End an item, through ingest."""
        if form.get("sure") != "yes":
            raise Invalid("tick the box: withdrawing takes the item from its readers")
        withdrawal = {name: form[name] for name in ("mode", "to", "notice") if form.get(name)}
        await self._ingest.withdraw(operator, source, external_id, withdrawal)
        _log("withdrawn", operator, source=source, external_id=external_id)
        return "Withdrawn. Its pages and lists follow within a moment."


def _moment(form: Form, name: str) -> datetime | None:
    """Return the moment in a field, which says no zone and means UTC. Raises Invalid."""
    if not form.get(name):
        return None
    try:
        return datetime.fromisoformat(form[name]).replace(tzinfo=UTC)
    except ValueError as error:
        raise Invalid(f"“{form[name][:40]}” is no moment") from error


def _log(act: str, operator: Operator, **what: str) -> None:
    log.info("console.acted", act=act, key_name=operator.key.name, **what)
