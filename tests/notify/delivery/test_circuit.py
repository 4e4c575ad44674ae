"""The circuit of an endpoint that fails, and how long dead letters stay, against a real server."""

from datetime import timedelta

from redis.asyncio import Redis

from services.notify.delivery.queue import FAILURES_TO_OPEN, DeliveryQueue, QueueRules, ShardTurn
from services.notify.model.delivery import (
    Attempt,
    Burial,
    Delivery,
    DeliveryLease,
    Retry,
    Settlement,
    Success,
    TryAgain,
)
from shared.model.ids import DeliveryId
from tests.notify.delivery.queue_acts import SHARD, enqueue, lease, leased_into, names, settle
from tests.notify.factories import a_subscription
from tests.waiting import eventually

CIRCUIT = QueueRules(timedelta(seconds=30), timedelta(seconds=0.2), timedelta(seconds=0.4))


async def test_five_failures_in_a_row_open_the_circuit_and_the_rest_waits_untried(redis: Redis) -> None:
    queue, one = DeliveryQueue(redis, CIRCUIT), a_subscription("one")
    await enqueue(redis, one, *"abcdefgh")

    for leased in (await lease(queue, one, at_once=FAILURES_TO_OPEN)).leases:
        await settle(queue, leased, Retry(timedelta(0)))
    behind = await lease(queue, one)

    assert names(behind) == []
    assert 0 < behind.heads[one.id] - behind.leased_ms <= 200
    untried = await redis.hmget(SHARD.deliveries(one.id), ["f", "g", "h"])
    assert [Delivery.from_json(DeliveryId("x"), str(state)).attempts for state in untried] == [0, 0, 0]


async def test_after_a_while_one_delivery_is_the_probe_and_a_failed_probe_doubles_the_while(redis: Redis) -> None:
    queue, one = DeliveryQueue(redis, CIRCUIT), a_subscription("one")
    await enqueue(redis, one, *"abcdefgh")
    for leased in (await lease(queue, one, at_once=FAILURES_TO_OPEN)).leases:
        await settle(queue, leased, Retry(timedelta(hours=1)))

    probes: list[DeliveryLease] = []
    await eventually(lambda: leased_into(queue, one, probes))
    beside = await lease(queue, one)
    await settle(queue, probes[0], Retry(timedelta(hours=1)))
    behind = await lease(queue, one)

    assert [probe.delivery.id for probe in probes] == ["f"]
    assert names(beside) == []
    assert 200 < behind.heads[one.id] - behind.leased_ms <= 400


async def test_a_good_answer_closes_the_circuit(redis: Redis) -> None:
    queue, one = DeliveryQueue(redis, CIRCUIT), a_subscription("one")
    await enqueue(redis, one, *"abcdefgh")
    for leased in (await lease(queue, one, at_once=FAILURES_TO_OPEN)).leases:
        await settle(queue, leased, Retry(timedelta(hours=1)))
    probes: list[DeliveryLease] = []
    await eventually(lambda: leased_into(queue, one, probes))

    await settle(queue, probes[0], Success(200))

    assert names(await lease(queue, one)) == ["g", "h"]
    assert await redis.exists(SHARD.endpoint(one.id)) == 0


async def test_an_endpoint_that_asks_to_be_left_alone_gets_nothing_until_then(redis: Redis) -> None:
    queue, one = DeliveryQueue(redis, CIRCUIT), a_subscription("one")
    await enqueue(redis, one, "a", "b")
    (first,) = (await lease(queue, one, at_once=1)).leases
    busy = Attempt(1, 0, 5, TryAgain("status", "503", 503, timedelta(minutes=2)))

    settlement = Settlement(first, Retry(timedelta(minutes=2)), first.delivery.after_attempt(), busy)
    await queue.turn([ShardTurn(SHARD, [settlement])])
    behind = await lease(queue, one)

    assert names(behind) == []
    assert 110_000 < behind.heads[one.id] - behind.leased_ms <= 120_000


async def test_dead_letters_go_when_the_log_no_longer_has_their_events(redis: Redis) -> None:
    queue, one = (
        DeliveryQueue(redis, QueueRules(timedelta(seconds=30), keep_dead_letters=timedelta(days=1))),
        a_subscription("one"),
    )
    # Trimming is by whole nodes of the stream, of a hundred entries each.
    for number in range(200):
        await redis.xadd(SHARD.dead_letters, {"delivery": "old"}, id=f"{number + 1}-0")
    await enqueue(redis, one, "a")

    await settle(queue, (await lease(queue, one)).leases[0], Burial("status"))

    assert await redis.xlen(SHARD.dead_letters) == 1
