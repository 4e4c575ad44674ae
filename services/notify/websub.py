"""The parts of WebSub, put together beside the webhook engine."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

from redis.asyncio import Redis

from services.notify.egress import AddressGuard, Egress
from services.notify.lease_loop import LeaseLoop, Work
from services.notify.secret_box import SecretBox
from services.notify.topic_reader import TopicReader
from services.notify.websub_distribution import Distribution, Doors
from services.notify.websub_hub import Hub, HubDoors, Leases
from services.notify.websub_marking import FeedMarking
from services.notify.websub_queue import FeedQueue, RequestQueue
from services.notify.websub_subscriptions import FeedSubscriptionStore
from services.notify.websub_verification import Verification
from shared.keys import Shard
from shared.settings import Settings

# Being in hand outlasts the attempt it is for, or the attempt would be made twice.
_MARGIN = timedelta(seconds=5)


@dataclass(frozen=True)
class WebSub:
    """What the engine and the HTTP application need of it."""

    store: FeedSubscriptionStore
    marking: FeedMarking
    hub: Hub


@contextlib.asynccontextmanager
async def running_websub(
    redis: Redis, settings: Settings, egress: Egress, secret_box: SecretBox
) -> AsyncIterator[WebSub]:
    """Verify and distribute while the block runs."""
    shards = tuple(map(Shard, range(settings.shards)))
    store = FeedSubscriptionStore(redis, shards)
    topics = TopicReader(settings.output_dir, settings.base_url)
    in_hand_for = settings.attempt_timeout + _MARGIN
    verification = Verification(egress.get, egress.post, settings.retry_schedule)
    requests = RequestQueue(redis, shards, in_hand_for)
    asking = LeaseLoop(Work(requests.turn, verification.see_through, verification.interrupted))
    doors = Doors(egress.post, topics, store.ask)
    distribution = Distribution(doors, secret_box, settings.websub_signature, settings.retry_schedule)
    feeds = FeedQueue(redis, shards, in_hand_for)
    sending = LeaseLoop(Work(feeds.turn, distribution.attempt, distribution.interrupted))
    marking = FeedMarking(redis, shards, sending.ring)
    guard = AddressGuard(settings.egress_allow)
    hub = Hub(
        HubDoors(store.ask, marking.look_again, asking.ring, topics, guard),
        secret_box,
        Leases(settings.lease_min, settings.lease_default, settings.lease_max),
    )
    async with asking.running(), sending.running():
        yield WebSub(store, marking, hub)
