"""The parts of WebSub, put together beside the webhook engine."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta

from fastapi import APIRouter
from redis.asyncio import Redis

from services.notify.delivery.lease_loop import LeaseLoop
from services.notify.subscriptions.secret_box import SecretBox
from services.notify.websub.distribution import Distribution, Doors
from services.notify.websub.hub import Hub, HubDoors, Leases, hub_router
from services.notify.websub.marking import FeedMarking
from services.notify.websub.queue import (
    FeedLease,
    FeedQueue,
    FeedSettlement,
    RequestLease,
    RequestQueue,
    RequestSettlement,
)
from services.notify.websub.rsscloud import RssCloud, rsscloud_router
from services.notify.websub.subscriptions import FeedSubscriptionStore
from services.notify.websub.topics import TopicReader
from services.notify.websub.verification import Verification
from shared.egress.address_guard import AddressGuard
from shared.egress.egress import Egress
from shared.runtime.settings import Settings
from shared.store.keys import Shard

# Being in hand outlasts the attempt it is for, or the attempt would be made twice.
_MARGIN = timedelta(seconds=5)


@dataclass(frozen=True)
class WebSub:
    """What the engine and the HTTP application need of it."""

    store: FeedSubscriptionStore
    marking: FeedMarking
    asking: LeaseLoop[RequestLease, RequestSettlement]
    sending: LeaseLoop[FeedLease, FeedSettlement]
    routers: tuple[APIRouter, ...]

    def running(self) -> tuple[AbstractAsyncContextManager[None], ...]:
        """Return the loops that verify and distribute, each for as long as its block runs."""
        return self.asking.running(), self.sending.running()


def assemble_websub(redis: Redis, settings: Settings, egress: Egress, secret_box: SecretBox) -> WebSub:
    """Return the parts; nothing runs yet."""
    shards = tuple(map(Shard, range(settings.shards)))
    store = FeedSubscriptionStore(redis, shards)
    topics = TopicReader(settings.output_dir, settings.base_url)
    in_hand_for = settings.attempt_timeout + _MARGIN
    verification = Verification(egress.get, settings.retry_schedule)
    asking = LeaseLoop("requests", RequestQueue(redis, shards, in_hand_for), verification)
    doors = Doors(egress.post, topics, store.ask)
    distribution = Distribution(doors, secret_box, settings.websub_signature, settings.retry_schedule)
    sending = LeaseLoop("feeds", FeedQueue(redis, shards, in_hand_for), distribution)
    marking = FeedMarking(redis, shards, sending.ring)
    guard = AddressGuard(settings.egress_allow)
    hub_doors = HubDoors(store.ask, marking.look_again, asking.ring, topics, guard)
    hub = Hub(hub_doors, secret_box, Leases(settings.lease_min, settings.lease_default, settings.lease_max))
    routers = [hub_router(hub), *([rsscloud_router(RssCloud(hub_doors))] if settings.rsscloud else [])]
    return WebSub(store, marking, asking, sending, tuple(routers))
