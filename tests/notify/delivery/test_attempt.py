"""One attempt: an event that is missing in the log was erased, unless the log no longer reaches back to it."""

from datetime import timedelta

import pytest
from redis.asyncio import Redis

from services.notify.channels.base import Message
from services.notify.delivery.attempt import DeliveryAttempts
from services.notify.log.event_log import EventLog
from services.notify.model.delivery import Attempt, Burial, Delivery, DeliveryLease, Omission, Retry, Success
from services.notify.model.subscription import Subscription
from shared.model.ids import DeliveryId, EventId, LogId, SubscriptionId
from shared.store import keys
from shared.store.keys import Shard
from tests.notify.factories import a_subscription, an_event, announce


class Endpoint:
    """Answers every request well; notes what it was sent, and what became of its subscription."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.stopped: list[str] = []

    async def send(self, _: Delivery, __: Subscription, message: Message) -> Attempt:
        self.sent.append(message)
        return Attempt(1, 0, 5, Success(200))

    async def stop(self, _: SubscriptionId, reason: str) -> None:
        self.stopped.append(reason)


async def settled(redis: Redis, endpoint: Endpoint, place: LogId, *, ordered: bool, attempts: int = 0) -> object:
    delivering = DeliveryAttempts(
        endpoint.send, EventLog(redis), [timedelta(seconds=1)], disable=endpoint.stop, pause=endpoint.stop
    )
    one = a_subscription("one", ordered=ordered)
    delivery = Delivery(DeliveryId("e-one"), EventId("e"), "item.published.v1", place, 0, attempts)
    lease = DeliveryLease(one.id, "token", attempts, delivery=delivery, subscription=one, shard=Shard(0), leased_ms=0)
    return (await delivering.attempt(lease)).verdict


async def test_an_event_that_is_there_is_sent(redis: Redis) -> None:
    endpoint, place = Endpoint(), await announce(redis, an_event("e"))

    assert await settled(redis, endpoint, place, ordered=True) == Success(200)
    assert len(endpoint.sent) == 1


@pytest.mark.parametrize("attempts", [0, 1, 2], ids=["new", "tried", "tried too often"])
@pytest.mark.parametrize("ordered", [False, True], ids=["unordered", "ordered"])
async def test_an_erased_event_is_over_and_stops_no_endpoint(redis: Redis, *, ordered: bool, attempts: int) -> None:
    endpoint, place = Endpoint(), await announce(redis, an_event("e"))
    await announce(redis, an_event("f"))
    await redis.xdel(keys.PAGES_STREAM, place)

    assert await settled(redis, endpoint, place, ordered=ordered, attempts=attempts) == Omission()
    assert (endpoint.sent, endpoint.stopped) == ([], [])


async def test_an_event_that_the_log_no_longer_keeps_is_given_up(redis: Redis) -> None:
    endpoint, place = Endpoint(), await announce(redis, an_event("e"))
    await redis.xdel(keys.PAGES_STREAM, place)
    await redis.hset(keys.TRIMMED, keys.PAGES_STREAM, place)

    assert await settled(redis, endpoint, place, ordered=False) == Burial("expired")
    assert await settled(redis, endpoint, place, ordered=True) == Retry(timedelta(0))
    assert len(endpoint.stopped) == 1
