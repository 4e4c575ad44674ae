"""The delivery engine put together: fan-out, deliveries, replays and WebSub."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

from redis.asyncio import Redis

from services.notify.channels.base import AnyChannel, ChannelSender, by_kind
from services.notify.channels.registry import CHANNELS
from services.notify.delivery.attempt import DeliveryAttempts
from services.notify.delivery.disabled_notices import DisabledNotices
from services.notify.delivery.due_deliveries import DueDeliveries
from services.notify.delivery.erasure import DeliveryEraser
from services.notify.delivery.history import DeliveryHistory
from services.notify.delivery.kept_moments import kept_moments
from services.notify.delivery.lease_loop import LeaseLoop
from services.notify.delivery.log_consumer import GROUP, LogConsumer
from services.notify.delivery.queue import DeliveryQueue, QueueRules
from services.notify.delivery.replay_worker import ReplayWorker
from services.notify.delivery.replays import ReplayStore
from services.notify.delivery.shard_advance import ShardAdvance
from services.notify.log.event_log import EventLog, passed_by
from services.notify.subscriptions.secret_box import SecretBox
from services.notify.subscriptions.service import SubscriptionService
from services.notify.subscriptions.store import SubscriptionStore, settle_shard_count
from services.notify.websub.wiring import WebSub
from shared.egress.egress import Egress, open_egress
from shared.egress.name_resolver import NameResolver
from shared.runtime.background import CommonStop, background, repeated
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.streams import StreamConsumer
from shared.store.upkeep.clock_watch import ClockWatch
from shared.store.upkeep.janitor import Janitor, Retention

# A lease is this much longer than its attempt may take, or the attempt would be made twice.
_LEASE_MARGIN = timedelta(seconds=5)
# Each batch of entries brings every shard to the end of the log, whatever the entries say.
_ENTRIES_AT_ONCE = 500


class Engine:
    """The engine of one process. The HTTP application and the console use its attributes."""

    def __init__(
        self,
        redis: Redis,
        settings: Settings,
        egress: Egress,
        *,
        shards: int,
        channels: Sequence[AnyChannel],
        stopping: asyncio.Event,
    ) -> None:
        """Put the parts together; nothing runs yet."""
        self.stopping = stopping
        self.channels = by_kind(channels)
        self.store = SubscriptionStore(redis, shards)
        self.event_log = EventLog(redis)
        advance = ShardAdvance(redis, self.store, self.event_log, settings.log_retention)
        self.history = DeliveryHistory(redis, self.store, advance.enqueue)
        self.replays = ReplayStore(redis, self.store, self.event_log)
        secret_box = SecretBox(settings.secrets_key)
        self.subscriptions = SubscriptionService(
            redis, self.store, self.event_log, secret_box, advance.enqueue, channels=self.channels
        )
        lease_for = settings.attempt_timeout + _LEASE_MARGIN
        attempts = DeliveryAttempts(
            ChannelSender(self.channels, egress.post, secret_box.open).send,
            self.event_log,
            settings.retry_schedule,
            disable=self.subscriptions.disable,
            pause=self.subscriptions.pause_for,
        )
        queue = DeliveryQueue(redis, _queue_rules(settings, lease_for))
        due = DueDeliveries(queue, self.store, self.subscriptions.on_failing)
        self._deliveries = LeaseLoop("deliveries", due, attempts)
        self.websub = WebSub(redis, settings, egress, secret_box, lease_for=lease_for)
        self._log_consumer = LogConsumer(redis, self.store, self.event_log, advance, self._deliveries.ring)
        self._log_consumer.follow(self.websub.marking.to_end)
        self._stream = StreamConsumer(
            settings.redis_url,
            keys.PAGES_STREAM,
            GROUP,
            self._log_consumer.on_entries,
            self._log_consumer.bury,
            claim_after=settings.claim_after,
            batch_size=_ENTRIES_AT_ONCE,
        )
        # The log is trimmed no further than every shard has passed.
        passed = passed_by([self.store.passed_by_all, self.websub.store.passed_by_all])
        self._janitor = Janitor(redis, Retention(keys.PAGES_STREAM, (GROUP,), settings.log_retention), passed)
        on_enqueued = self._deliveries.ring
        self._replay_worker = ReplayWorker(redis, self.store, self.event_log, self.replays, on_enqueued)
        self._disabled_notices = DisabledNotices(self.store, advance.enqueue, on_enqueued)
        self._eraser = DeliveryEraser(redis, self.store, lease_for)
        self._clock = ClockWatch(redis, lambda: kept_moments(redis, shards), (keys.PAGES_STREAM, GROUP))

    @property
    def is_healthy(self) -> bool:
        """Whether the log's stream is being read."""
        return self._stream.healthy

    def on_work(self) -> None:
        """Look at once for subscriptions to catch up and for deliveries that are due."""
        self._log_consumer.ring()
        self._deliveries.ring()

    def on_replay(self) -> None:
        """Look at once for replays."""
        self._replay_worker.ring()

    def running(self) -> Sequence[AbstractAsyncContextManager[None]]:
        """Return the parts that run, in the order in which they begin; each runs while its block does."""
        return (
            *self.websub.running(),
            self._deliveries.running(),
            background(self._log_consumer.run()),
            self._stream.running(),
            background(self._janitor.run(), self._replay_worker.run()),
            background(repeated(self._disabled_notices.tell_all, 1.0, "notices.waiting")),
            background(repeated(self._eraser.step, 1.0, "erasing.waiting")),
            background(repeated(self._clock.look, 1.0, "clock.unread")),
        )


@contextlib.asynccontextmanager
async def running_engine(
    redis: Redis,
    settings: Settings,
    stopping: asyncio.Event,
    names: NameResolver | None = None,
    channels: Sequence[AnyChannel] = CHANNELS,
) -> AsyncIterator[Engine]:
    """Run an engine while the block runs; its parts begin to stop as soon as `stopping` is set."""
    shards = await settle_shard_count(redis, settings.shards)
    async with (
        open_egress(settings.egress_allow, settings.attempt_timeout, names) as egress,
        CommonStop(stopping) as common_stop,
    ):
        engine = Engine(redis, settings, egress, shards=shards, channels=channels, stopping=stopping)
        for part in engine.running():
            await common_stop.enter(part)
        yield engine


def _queue_rules(settings: Settings, lease_for: timedelta) -> QueueRules:
    # A failing endpoint is probed as often as the schedule first repeats a delivery: after 5 s, in the end every 5 min.
    first, *later = settings.retry_schedule or (timedelta(seconds=5),)
    return QueueRules(lease_for, first, max(first, *later[:1]) if later else first, settings.log_retention)
