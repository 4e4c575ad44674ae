"""The subscriptions to feeds, and the requests that are not confirmed yet."""

import base64
import hashlib
import secrets
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from redis.asyncio import Redis

from services.notify.model.log_position import LOG_START
from services.notify.model.subscription import shard_number
from shared.model.errors import Unavailable
from shared.model.ids import LogId, SubscriptionId
from shared.model.stream_id import StreamId
from shared.store.keys import Shard
from shared.store.scripts import Script

FeedProtocol = Literal["websub", "rsscloud"]
# About 20 MB of requests in all; beyond them callers are asked to come again.
MOST_REQUESTS = 20_000
_ID_BYTES = 15


class FeedSubscription(BaseModel):
    """
    A callback that is sent a feed whenever the feed changes.

    A subscription begins when its callback has confirmed the request. It ends with its lease; when the callback
    confirms that it wants no more; when the callback answers 410; or when the feed has long been gone. Failing never
    ends it. Confirming it again brings a new lease, and the secret of the new request or none.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: SubscriptionId
    protocol: FeedProtocol
    topic: str
    path: str
    callback: str
    sealed_secret: str | None
    expires_ms: int


class FeedRequest(BaseModel):
    """
    The last request about a subscription, until its callback has answered.

    `subscribe` and `unsubscribe` take effect when the callback confirms them; otherwise they change nothing. `deny`
    tells the callback why it is sent nothing, or nothing any more. A request that cannot be delivered is tried again,
    and then dropped.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: SubscriptionId
    mode: Literal["subscribe", "unsubscribe", "deny"]
    protocol: FeedProtocol = "websub"
    topic: str
    path: str = ""
    callback: str
    sealed_secret: str | None = None
    lease_seconds: int = 0
    digest: str = ""
    """Of the feed when the request was taken: a feed that changes later is sent."""
    reason: str = ""
    attempts: int = 0
    number: str = Field(default_factory=lambda: secrets.token_hex(8))
    """No other request has it, so two equal requests are still two."""


def feed_subscription_id(protocol: FeedProtocol, topic: str, callback: str) -> SubscriptionId:
    """Return the id of the one subscription that a topic and a callback make (section 5.1)."""
    digest = hashlib.sha256(f"{protocol}\0{topic}\0{callback}".encode()).digest()[:_ID_BYTES]
    return SubscriptionId("feed" + base64.b32encode(digest).decode().lower())


def script_keys(shard: Shard) -> list[str]:
    """Return the keys of every WebSub script, in the order of keys.lua."""
    return [
        *(shard.websub_subscriptions, shard.websub_topics, shard.websub_leases, shard.websub_due),
        *(shard.websub_states, shard.websub_requests, shard.websub_requests_due, shard.websub_cursor),
    ]


class FeedSubscriptionStore:
    """Keeps requests and reads subscriptions; the queues in `websub.queue` work them."""

    def __init__(self, redis: Redis, shards: Sequence[Shard], most_requests: int = MOST_REQUESTS) -> None:
        self._redis = redis
        self._most_requests = most_requests
        self.shards = tuple(shards)
        self._keep_request = Script(redis, __name__, "keep_request.lua", prelude="keys.lua")

    async def keep_request(self, request: FeedRequest) -> None:
        """Keep the request until its callback has answered. Raises Unavailable when there are too many."""
        shard = self.shards[shard_number(request.id, len(self.shards))]
        at_most = self._most_requests // len(self.shards)
        argument = {"subscription": request.id, "request": request.model_dump_json(), "most": at_most}
        if not await self._keep_request(script_keys(shard), argument):
            raise Unavailable("too many requests wait for their callbacks: ask again later")

    async def list(self) -> "list[FeedSubscription]":
        """Return every subscription whose lease is not over."""
        now_s, _ = await self._redis.time()
        records = [record for shard in self.shards for record in await self._redis.hvals(shard.websub_subscriptions)]
        subscriptions = [FeedSubscription.model_validate_json(str(record)) for record in records]
        return [one for one in subscriptions if one.expires_ms > int(now_s) * 1000]

    async def passed_by_all(self) -> LogId:
        """Return the last entry of the log whose feeds are marked in every shard."""
        passed = [str(await self._redis.get(shard.websub_cursor) or LOG_START) for shard in self.shards]
        return min(map(LogId, passed), key=StreamId.parse)
