"""WebSub put together, beside the delivery engine."""

from contextlib import AbstractAsyncContextManager
from datetime import timedelta

from redis.asyncio import Redis

from services.notify.delivery.lease_loop import LeaseLoop
from services.notify.subscriptions.secret_box import SecretBox
from services.notify.websub.distribution import Distribution
from services.notify.websub.hub import Hub, LeaseLimits, hub_router
from services.notify.websub.marking import FeedMarking
from services.notify.websub.queue import FeedQueue, RequestQueue
from services.notify.websub.rsscloud import RssCloud, rsscloud_router
from services.notify.websub.subscriptions import FeedSubscriptionStore
from services.notify.websub.topics import TopicReader
from services.notify.websub.verification import Verification
from shared.egress.address_guard import AddressGuard
from shared.egress.egress import Egress
from shared.runtime.settings import Settings
from shared.store.keys import Shard


class WebSub:
    """The hub and rssCloud, their subscriptions, and the loops that verify requests and send feeds."""

    def __init__(
        self, redis: Redis, settings: Settings, egress: Egress, secret_box: SecretBox, *, lease_for: timedelta
    ) -> None:
        shards = tuple(map(Shard, range(settings.shards)))
        topics, guard = TopicReader(settings.output_dir, settings.base_url), AddressGuard(settings.egress_allow)
        self.store = FeedSubscriptionStore(redis, shards)
        verification = Verification(egress.get, settings.retry_schedule)
        self._verifying = LeaseLoop("requests", RequestQueue(redis, shards, lease_for), verification)
        distribution = Distribution(
            post=egress.post,
            topics=topics,
            deny=self.store.keep_request,
            secret_box=secret_box,
            method=settings.websub_signature,
            schedule=settings.retry_schedule,
        )
        self._sending = LeaseLoop("feeds", FeedQueue(redis, shards, lease_for), distribution)
        self.marking = FeedMarking(redis, shards, self._sending.ring)
        hub = Hub(
            keep_request=self.store.keep_request,
            mark=self.marking.mark,
            on_work=self._verifying.ring,
            topics=topics,
            guard=guard,
            secret_box=secret_box,
            leases=LeaseLimits(settings.lease_min, settings.lease_default, settings.lease_max),
        )
        self.routers = [hub_router(hub)]
        if settings.rsscloud:
            on_work = self._verifying.ring
            rsscloud = RssCloud(keep_request=self.store.keep_request, on_work=on_work, topics=topics, guard=guard)
            self.routers.append(rsscloud_router(rsscloud))

    def running(self) -> tuple[AbstractAsyncContextManager[None], ...]:
        """Return the two loops; each runs while its block does."""
        return self._verifying.running(), self._sending.running()
