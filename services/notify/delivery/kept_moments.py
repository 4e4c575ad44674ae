"""The moments that delivery shards keep: what is due when, and until when it is leased."""

from collections.abc import Sequence

from redis.asyncio import Redis

from shared.model.ids import SubscriptionId
from shared.store.keys import Shard
from shared.store.upkeep.clock_watch import KeptMoments


async def kept_moments(redis: Redis, shards: int) -> Sequence[KeptMoments]:
    """Return the keys of every shard's moments. Raises RedisError."""
    return [await _of_shard(redis, Shard(number)) for number in range(shards)]


async def _of_shard(redis: Redis, shard: Shard) -> KeptMoments:
    endpoints = [SubscriptionId(str(one)) for one in await redis.hkeys(shard.subscriptions)]
    queues = [key for one in endpoints for key in (shard.later(one), shard.leased(one))]
    return KeptMoments(
        shard.clock_set_back,
        [shard.due, shard.websub_due, shard.websub_requests_due, *queues],
        [shard.endpoint(one) for one in endpoints],
        ("not_before", "open_until"),
    )
