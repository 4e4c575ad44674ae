"""The parts of the delivery engine, put together: fan-out, queue, workers and the way out."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

from redis.asyncio import Redis

from services.notify.consumer import GROUP, LogConsumer
from services.notify.delivering import Delivering
from services.notify.delivery_queue import DeliveryQueue
from services.notify.delivery_worker import DeliveryWorker
from services.notify.egress import Egress, open_egress
from services.notify.event_log import EventLog
from services.notify.secret_box import SecretBox
from services.notify.sender import Sender
from services.notify.subscribing import Subscribing
from services.notify.subscription_store import SubscriptionStore, settle_shard_count
from shared import keys
from shared.settings import Settings
from shared.streams import Janitor, Retention, StreamConsumer

# A lease outlasts the attempt it is for, or the delivery would be made twice.
_LEASE_MARGIN = timedelta(seconds=5)


@dataclass(frozen=True)
class Engine:
    """What the HTTP application needs of the engine."""

    store: SubscriptionStore
    event_log: EventLog
    subscribing: Subscribing
    consumer: LogConsumer
    stream: StreamConsumer
    worker: DeliveryWorker

    def on_work(self) -> None:
        """Look at once for what a caller asked for."""
        self.consumer.ring()
        self.worker.ring()


@contextlib.asynccontextmanager
async def running_engine(redis: Redis, settings: Settings) -> AsyncIterator[Engine]:
    """Run fan-out and deliveries while the block runs."""
    secret_box = SecretBox(settings.secrets_key)
    store = SubscriptionStore(redis, await settle_shard_count(redis, settings.shards))
    event_log = EventLog(redis)
    subscribing = Subscribing(redis, store, event_log, secret_box)
    async with contextlib.AsyncExitStack() as stack:
        egress = await stack.enter_async_context(open_egress(settings.egress_allow, settings.attempt_timeout))
        delivering = _delivering(egress, subscribing, event_log, secret_box, settings)
        queue = DeliveryQueue(redis, settings.attempt_timeout + _LEASE_MARGIN)
        worker = DeliveryWorker(queue, store, delivering.attempt, subscribing.on_failing)
        consumer = LogConsumer(redis, store, event_log, worker.ring)
        stream = StreamConsumer(
            settings.redis_url,
            keys.PAGES_STREAM,
            GROUP,
            consumer.on_entries,
            consumer.bury,
            claim_after=settings.claim_after,
        )
        for part in (worker.running(), consumer.running(), stream.running(), _tidied(redis, store, settings)):
            await stack.enter_async_context(part)
        yield Engine(store, event_log, subscribing, consumer, stream, worker)


def _delivering(
    egress: Egress, subscribing: Subscribing, event_log: EventLog, secret_box: SecretBox, settings: Settings
) -> Delivering:
    return Delivering(
        Sender(egress.post, secret_box).send,
        event_log,
        settings.retry_schedule,
        disable=subscribing.disable,
        pause=subscribing.pause_for,
    )


@contextlib.asynccontextmanager
async def _tidied(redis: Redis, store: SubscriptionStore, settings: Settings) -> AsyncIterator[None]:
    """Keep the log no longer than it has to be: what a shard has not passed stays."""
    retention = Retention(keys.PAGES_STREAM, (GROUP,), settings.log_retention)
    task = asyncio.create_task(Janitor(redis, retention, store.passed_by_all).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
