"""What becomes of deliveries, end to end: retries, giving up, pausing, disabling, stopping."""

import asyncio
from datetime import timedelta
from pathlib import Path

from aiohttp import web
from redis.asyncio import Redis

from services.dev.embedded_store import embedded_redis
from services.notify.model.subscription import shard_number
from services.notify.subscriptions.service import DISABLED_AFTER
from shared.model.clock import store_now, to_ms
from shared.model.ids import SubscriptionId
from shared.store.keys import Shard
from shared.store.redis_client import connect
from tests.notify.factories import Service, a_service, an_event, announce, settings_for
from tests.receiver import Received, a_receiver
from tests.waiting import eventually


def shard_of(subscription_id: str) -> Shard:
    return Shard(shard_number(SubscriptionId(subscription_id), 2))


async def attempts(service: Service, subscription_id: str, **params: str) -> list[dict[str, object]]:
    answer = await service.http.get(f"/v1/subscriptions/{subscription_id}/attempts", params=params)
    found: list[dict[str, object]] = answer.json()["attempts"]
    return found


async def test_an_exhausted_schedule_gives_up_and_keeps_a_dead_letter(service: Service) -> None:
    async with a_receiver(*[500] * 20) as receiver:
        made = await service.subscribe(receiver.url)
        await announce(service.redis, an_event("e"))

        await eventually(lambda: _has_dead_letter(service.redis, made["id"]))

        assert len(receiver.requests) == 4
        shown = (await service.http.get(f"/v1/deliveries/e-{made['id']}")).json()
        assert shown["status"] == "given_up"
        assert [one["outcome"] for one in shown["attempts"]] == ["given_up", "failed", "failed", "failed"]
        assert shown["attempts"][0]["answer"] == "so it is"
        assert await service.state(made["id"]) == "active"


async def test_a_dead_delivery_is_retried_by_hand_under_its_id(service: Service) -> None:
    async with a_receiver(500, 500, 500, 500) as receiver:
        made = await service.subscribe(receiver.url)
        await announce(service.redis, an_event("e"))
        await eventually(lambda: _has_dead_letter(service.redis, made["id"]))

        answer = await service.http.post(f"/v1/deliveries/e-{made['id']}/retry")

        await eventually(lambda: len(receiver.requests) == 5)
        assert answer.status_code == 202
        assert len({request.id for request in receiver.requests}) == 1
        await eventually(lambda: _status_is(service, f"e-{made['id']}", "delivered"))


async def test_410_disables_and_resuming_brings_what_was_missed(service: Service) -> None:
    async with a_receiver(410) as receiver:
        made = await service.subscribe(receiver.url)
        await announce(service.redis, an_event("gone"))
        await eventually(lambda: _state_is(service, made["id"], "disabled"))
        await announce(service.redis, an_event("missed1"), an_event("missed2"))
        shown = (await service.http.get(f"/v1/subscriptions/{made['id']}")).json()

        await service.http.post(f"/v1/subscriptions/{made['id']}/resume")

        await eventually(lambda: len(receiver.requests) == 3)
        assert "410" in shown["state_reason"]
        assert sorted(receiver.event_ids[1:]) == ["missed1", "missed2"]


async def test_a_disabled_endpoint_gets_a_thousand_missed_events_in_order_when_it_is_resumed(service: Service) -> None:
    async with a_receiver(410) as receiver:
        made = await service.subscribe(receiver.url, ordered=True)
        await announce(service.redis, an_event("e0"))
        await eventually(lambda: _state_is(service, made["id"], "disabled"))
        await announce(service.redis, *(an_event(f"e{n}") for n in range(1, 1001)))

        await service.http.post(f"/v1/subscriptions/{made['id']}/resume")

        await eventually(lambda: len(receiver.requests) >= 1002, seconds=30)
        assert receiver.event_ids == ["e0", *(f"e{n}" for n in range(1001))]


async def test_behind_an_open_circuit_deliveries_wait_untried_and_all_come_when_the_endpoint_is_well(
    service: Service,
) -> None:
    async with a_receiver(*[503] * 8) as receiver:
        await service.subscribe(receiver.url)
        await announce(service.redis, *(an_event(f"e{n}") for n in range(50)))

        await eventually(lambda: len(set(receiver.event_ids[8:])) == 50)

        # One at a time until it answered well: of fifty that were due at once only the probes failed.
        assert len(receiver.requests) == 58


async def test_an_endpoint_that_failed_everything_for_days_is_disabled(service: Service) -> None:
    async with a_receiver(*[500] * 20) as receiver:
        made = await service.subscribe(receiver.url)
        long_ago = to_ms(await store_now(service.redis) - DISABLED_AFTER - timedelta(minutes=1))
        await service.redis.hset(shard_of(made["id"]).endpoint(SubscriptionId(made["id"])), "failing_since", long_ago)

        await announce(service.redis, an_event())

        await eventually(lambda: _state_is(service, made["id"], "disabled"))


async def test_an_ordered_endpoint_hears_events_in_their_order_through_failures(service: Service) -> None:
    async with a_receiver(200, 500, 500, 200, 503) as receiver:
        await service.subscribe(receiver.url, ordered=True)

        await announce(service.redis, *(an_event(f"e{n}") for n in range(6)))

        await eventually(lambda: len(receiver.requests) == 9)
        assert receiver.event_ids == ["e0", "e1", "e1", "e1", "e2", "e2", "e3", "e4", "e5"]


async def test_an_ordered_endpoint_whose_head_is_given_up_is_paused_and_skips_nothing(service: Service) -> None:
    async with a_receiver(*[500] * 4) as receiver:
        made = await service.subscribe(receiver.url, ordered=True)
        await announce(service.redis, an_event("head"), an_event("next"))
        await eventually(lambda: _state_is(service, made["id"], "paused"))

        await service.http.post(f"/v1/subscriptions/{made['id']}/resume")

        await eventually(lambda: len(receiver.requests) == 6)
        assert receiver.event_ids == ["head"] * 5 + ["next"]


async def test_while_paused_nothing_is_sent_and_afterwards_everything(service: Service) -> None:
    async with a_receiver() as receiver, a_receiver() as witness:
        made = await service.subscribe(receiver.url)
        await service.subscribe(witness.url)
        await service.http.post(f"/v1/subscriptions/{made['id']}/pause")
        await announce(service.redis, *(an_event(f"e{n}") for n in range(3)))
        await eventually(lambda: len(witness.requests) == 3)
        before = list(receiver.requests)

        await service.http.post(f"/v1/subscriptions/{made['id']}/resume")

        await eventually(lambda: len(receiver.requests) == 3)
        assert before == []
        assert sorted(receiver.event_ids) == ["e0", "e1", "e2"]


async def test_retry_after_is_heeded(service: Service) -> None:
    async def later(_: Received) -> web.StreamResponse:
        return web.Response(status=503, headers={"Retry-After": "3600"})

    async with a_receiver(answer=later) as receiver:
        made = await service.subscribe(receiver.url)
        await announce(service.redis, an_event("e"))
        await eventually(lambda: _status_is(service, f"e-{made['id']}", "waiting"))

        shown = (await service.http.get(f"/v1/deliveries/e-{made['id']}")).json()
        due = await service.redis.zscore(shard_of(made["id"]).later(SubscriptionId(made["id"])), f"e-{made['id']}")

        assert shown["next_attempt_at"] is not None
        assert due is not None
        assert due - to_ms(await store_now(service.redis)) > 3_500_000


async def test_attempts_are_listed_by_outcome(service: Service) -> None:
    async with a_receiver(500) as receiver:
        made = await service.subscribe(receiver.url)
        await announce(service.redis, an_event("e"))
        await eventually(lambda: _status_is(service, f"e-{made['id']}", "delivered"))

        failed = await attempts(service, made["id"], outcome="failed")
        delivered = await attempts(service, made["id"], outcome="delivered")

        assert [(one["status"], one["reason"], one["attempt"]) for one in failed] == [(500, "status", 1)]
        assert [(one["status"], one["attempt"]) for one in delivered] == [(200, 2)]
        assert "answer" not in delivered[0]


async def test_a_blocked_address_fails_with_its_reason(redis: Redis, store_url: str) -> None:
    async with a_service(redis, settings_for(store_url, egress_allow=())) as service:
        made = await service.subscribe("http://localhost:1/")

        await announce(redis, an_event("e"))

        await eventually(lambda: _has_dead_letter(redis, made["id"]))
        first = (await attempts(service, made["id"]))[0]
        assert first["reason"] == "blocked_address"
        assert "loopback" in str(first["detail"])


async def test_what_is_in_hand_at_a_stop_is_finished(redis: Redis, store_url: str) -> None:
    answering = asyncio.Event()

    async def slowly(_: Received) -> web.StreamResponse:
        await answering.wait()
        return web.Response()

    async with a_receiver(answer=slowly) as receiver:
        async with a_service(redis, settings_for(store_url)) as service:
            made = await service.subscribe(receiver.url)
            await announce(redis, an_event("e"))
            await eventually(lambda: len(receiver.requests) == 1)
            asyncio.get_running_loop().call_later(0.2, answering.set)

        assert await redis.hlen(shard_of(made["id"]).deliveries(SubscriptionId(made["id"]))) == 0


async def test_two_services_on_one_store_deliver_everything_once(redis: Redis, store_url: str) -> None:
    async with (
        a_receiver() as receiver,
        a_service(redis, settings_for(store_url)) as one,
        a_service(redis, settings_for(store_url)),
    ):
        for _ in range(5):
            await one.subscribe(receiver.url)
        await announce(redis, *(an_event(f"e{n}") for n in range(40)))

        await eventually(lambda: len(receiver.requests) >= 200)

        assert len({request.id for request in receiver.requests}) == len(receiver.requests) == 200


async def test_the_store_may_be_killed_and_every_delivery_is_made(tmp_path: Path) -> None:
    with embedded_redis(tmp_path) as server:
        redis = connect(server.url)
        async with a_receiver() as receiver, a_service(redis, settings_for(server.url)) as service:
            await service.subscribe(receiver.url)
            await announce(redis, *(an_event(f"e{n}") for n in range(300)))
            await eventually(lambda: len(receiver.requests) > 20)

            server.kill()
            server.start()

            await eventually(lambda: len(set(receiver.event_ids)) == 300, seconds=40)
        await redis.aclose()


async def _has_dead_letter(redis: Redis, subscription_id: str) -> bool:
    return bool(await redis.xlen(shard_of(subscription_id).dead_letters) == 1)


async def _state_is(service: Service, subscription_id: str, state: str) -> bool:
    return await service.state(subscription_id) == state


async def _status_is(service: Service, delivery_id: str, status: str) -> bool:
    answer = await service.http.get(f"/v1/deliveries/{delivery_id}")
    return bool(answer.status_code == 200 and answer.json()["status"] == status)
