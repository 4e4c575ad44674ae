"""The parts of the delivery engine, put together: fan-out, queue, workers and the way out."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from redis.asyncio import Redis

from services.notify.channels.base import AnyChannel, ChannelSender, by_kind
from services.notify.channels.registry import CHANNELS
from services.notify.delivery.attempt import DeliveryAttempts
from services.notify.delivery.disabled_notices import Notices
from services.notify.delivery.due_deliveries import DueDeliveries
from services.notify.delivery.erasure import DeliveryErasing
from services.notify.delivery.lease_loop import LeaseLoop
from services.notify.delivery.log_consumer import GROUP, LogConsumer
from services.notify.delivery.queue import DeliveryQueue, QueueRules
from services.notify.delivery.replay_worker import Replaying
from services.notify.delivery.replays import ReplayStore
from services.notify.delivery.shard_advance import ShardAdvance
from services.notify.log.event_log import EventLog, passed_by
from services.notify.model.delivery import DeliveryLease, Settlement
from services.notify.subscriptions.secret_box import SecretBox
from services.notify.subscriptions.service import Subscribing
from services.notify.subscriptions.store import SubscriptionStore, settle_shard_count
from services.notify.websub.wiring import WebSub, assemble_websub
from shared.egress.egress import open_egress
from shared.egress.name_resolver import NameResolver
from shared.runtime.background import background
from shared.runtime.settings import Settings
from shared.runtime.stopping import CommonStop
from shared.store import keys
from shared.store.janitor import Janitor, Retention
from shared.store.streams import StreamConsumer

# A lease outlasts the attempt it is for, or the delivery would be made twice.
_LEASE_MARGIN = timedelta(seconds=5)
# Each batch of entries brings every shard to the end of the log, whatever the entries say.
_BELLS_AT_ONCE = 500


@dataclass(frozen=True)
class Engine:
    """What the HTTP application needs of the engine."""

    store: SubscriptionStore
    event_log: EventLog
    advance: ShardAdvance
    subscribing: Subscribing
    consumer: LogConsumer
    stream: StreamConsumer
    deliveries: LeaseLoop[DeliveryLease, Settlement]
    websub: WebSub
    replays: ReplayStore
    replaying: Replaying
    stopping: asyncio.Event

    def on_work(self) -> None:
        """Look at once for what a caller asked for."""
        self.consumer.ring()
        self.deliveries.ring()


@contextlib.asynccontextmanager
async def running_engine(
    redis: Redis,
    settings: Settings,
    stopping: asyncio.Event,
    names: NameResolver | None = None,
    channels: Sequence[AnyChannel] = CHANNELS,
) -> AsyncIterator[Engine]:
    """Run fan-out and deliveries while the block runs; they begin to stop as soon as `stopping` is set."""
    secret_box = SecretBox(settings.secrets_key)
    store = SubscriptionStore(redis, await settle_shard_count(redis, settings.shards))
    event_log = EventLog(redis)
    advance = ShardAdvance(redis, store, event_log, settings.log_retention)
    subscribing = Subscribing(redis, store, event_log, secret_box, advance.enqueue, channels=by_kind(channels))
    async with (
        open_egress(settings.egress_allow, settings.attempt_timeout, names) as egress,
        CommonStop(stopping) as parts,
    ):
        sender = ChannelSender(by_kind(channels), egress.post, secret_box.open)
        attempts = DeliveryAttempts(
            sender.send,
            event_log,
            settings.retry_schedule,
            disable=subscribing.disable,
            pause=subscribing.pause_for,
        )
        due = DueDeliveries(DeliveryQueue(redis, _rules(settings)), store, subscribing.on_failing)
        deliveries = LeaseLoop("deliveries", due, attempts)
        consumer = LogConsumer(redis, store, event_log, advance, deliveries.ring)
        websub = assemble_websub(redis, settings, egress, secret_box)
        consumer.follow(websub.marking.to_end)
        stream = StreamConsumer(
            settings.redis_url,
            keys.PAGES_STREAM,
            GROUP,
            consumer.on_entries,
            consumer.bury,
            claim_after=settings.claim_after,
            batch_size=_BELLS_AT_ONCE,
        )
        # Keep the log no longer than it has to be; what a shard has not passed stays.
        retention = Retention(keys.PAGES_STREAM, (GROUP,), settings.log_retention)
        passed = passed_by([store.passed_by_all, websub.store.passed_by_all])
        tidying = background(Janitor(redis, retention, passed).run())
        replays = ReplayStore(redis, store, event_log)
        replaying = Replaying(redis, store, event_log, replays, deliveries.ring)
        notices = Notices(store, advance.enqueue, deliveries.ring)
        for part in (*websub.running(), deliveries.running(), consumer.running(), stream.running(), tidying):
            await parts.enter(part)
        erasing = DeliveryErasing(redis, store, settings.attempt_timeout + _LEASE_MARGIN)
        for part in (replaying.running(), notices.running(), erasing.running()):
            await parts.enter(part)
        yield Engine(
            store, event_log, advance, subscribing, consumer, stream, deliveries, websub, replays, replaying, stopping
        )


def _rules(settings: Settings) -> QueueRules:
    # A failing endpoint is probed as often as the schedule repeats a delivery at first: after 5 s, at last 5 min.
    first, *later = settings.retry_schedule or (timedelta(seconds=5),)
    most = max(first, *later[:1]) if later else first
    return QueueRules(settings.attempt_timeout + _LEASE_MARGIN, first, most, settings.log_retention)
