"""Replays: jobs that have deliveries made again, and the dead letters they take."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis

from services.notify.delivery.replay_worker import ReplayWorker
from services.notify.delivery.replays import MOST_WAITING, Replay, ReplayStore
from services.notify.log.event_log import EventLog
from services.notify.model.delivery import Delivery
from services.notify.subscriptions.store import SubscriptionStore
from shared.model.clock import store_now
from shared.model.ids import DeliveryId, EventId, LogId, SubscriptionId
from shared.store import keys
from shared.store.keys import Shard
from tests.notify.delivery.test_deliveries import shard_of
from tests.notify.factories import Service, a_service, an_event, announce, settings_for
from tests.receiver import a_receiver
from tests.waiting import eventually


async def replayed(service: Service, subscription_id: str, **request: object) -> dict[str, object]:
    """Ask for a replay, wait until it is done, and return it."""
    answer = await service.http.post(f"/v1/subscriptions/{subscription_id}/replay", json=request)
    assert answer.status_code == 202, answer.text
    job: dict[str, object] = answer.json()

    async def is_done() -> bool:
        job.update((await service.http.get(answer.headers["Location"])).json())
        return job["state"] == "done"

    await eventually(is_done)
    return job


async def test_everything_is_delivered_again_in_order_under_the_ids_it_had(service: Service) -> None:
    async with a_receiver() as receiver:
        made = await service.subscribe(receiver.url, ordered=True)
        await announce(service.redis, *(an_event(f"e{n}") for n in range(20)))
        await eventually(lambda: len(receiver.requests) == 20)

        job = await replayed(service, made["id"], only="all")

        await eventually(lambda: len(receiver.requests) == 40)
        assert receiver.event_ids[20:] == receiver.event_ids[:20] == [f"e{n}" for n in range(20)]
        assert [request.id for request in receiver.requests[20:]] == [request.id for request in receiver.requests[:20]]
        assert (job["deliveries"], job["progress"]) == (20, 1.0)


async def test_a_replay_keeps_to_its_window_and_to_the_filter(service: Service) -> None:
    async with a_receiver() as receiver:
        await announce(service.redis, an_event("early"))
        made = await service.subscribe(receiver.url, filter={"langs": ["en"]})
        await asyncio.sleep(0.002)
        since = await store_now(service.redis)
        await announce(service.redis, an_event("within"), an_event("other", lang="ru"))
        await asyncio.sleep(0.002)
        until = await store_now(service.redis)
        await announce(service.redis, an_event("late"))
        await eventually(lambda: receiver.event_ids == ["within", "late"])

        job = await replayed(service, made["id"], only="all", since=since.isoformat(), until=until.isoformat())

        await eventually(lambda: receiver.event_ids == ["within", "late", "within"])
        assert job["deliveries"] == 1


async def test_what_was_announced_before_the_subscription_can_be_had_by_a_replay(service: Service) -> None:
    async with a_receiver() as receiver:
        await announce(service.redis, an_event("before"))
        made = await service.subscribe(receiver.url)

        await replayed(service, made["id"], only="all")

        await eventually(lambda: receiver.event_ids == ["before"])


async def test_what_failed_is_delivered_again_and_leaves_the_dead_letters(service: Service) -> None:
    async with a_receiver(*[500] * 8) as receiver, a_receiver(*[500] * 8) as other:
        made = await service.subscribe(receiver.url)
        another = await service.subscribe(other.url)
        await announce(service.redis, an_event("a"), an_event("b"))
        await eventually(lambda: _dead(service, made["id"], 2))
        await eventually(lambda: _dead(service, another["id"], 2))
        await announce(service.redis, an_event("good"))
        await eventually(lambda: "good" in receiver.event_ids)

        job = await replayed(service, made["id"], only="failed")

        await eventually(lambda: sorted(receiver.event_ids[-2:]) == ["a", "b"])
        assert job["deliveries"] == 2
        assert await _dead(service, made["id"], 0)
        assert await _dead(service, another["id"], 2)


async def test_dead_letters_are_listed_page_by_page(service: Service) -> None:
    async with a_receiver(*[500] * 20) as receiver:
        made = await service.subscribe(receiver.url)
        await announce(service.redis, *(an_event(f"e{n}") for n in range(5)))
        await eventually(lambda: _dead(service, made["id"], 5))

        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await service.http.get("/v1/deliveries/dead-letters", params={"limit": "2", **cursor})).json()
            seen += [letter["event_id"] for letter in page["dead_letters"]]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}

        assert sorted(seen) == [f"e{n}" for n in range(5)]
        assert page["dead_letters"][0]["last_attempt"]["reason"] == "status"


async def test_a_dead_letter_is_replayed_by_hand_even_when_its_attempts_are_forgotten(service: Service) -> None:
    async with a_receiver(*[500] * 4) as receiver:
        made = await service.subscribe(receiver.url)
        await announce(service.redis, an_event("e"))
        await eventually(lambda: _dead(service, made["id"], 1))
        await service.redis.delete(shard_of(made["id"]).attempts(SubscriptionId(made["id"])))

        answer = await service.http.post(f"/v1/deliveries/e-{made['id']}/retry")

        await eventually(lambda: len(receiver.requests) == 5)
        assert answer.status_code == 202
        assert await _dead(service, made["id"], 0)


async def test_a_window_that_the_log_no_longer_reaches_is_gone(service: Service) -> None:
    async with a_receiver() as receiver:
        made = await service.subscribe(receiver.url)
        place = await announce(service.redis, an_event("old"))
        await eventually(lambda: receiver.event_ids == ["old"])
        await service.redis.hset(keys.TRIMMED, keys.PAGES_STREAM, place)

        asked = {"only": "all", "since": (datetime.now(UTC) - timedelta(days=400)).isoformat()}
        answer = await service.http.post(f"/v1/subscriptions/{made['id']}/replay", json=asked)

        assert answer.status_code == 410
        assert answer.json()["oldest"] == place


async def test_a_replay_that_breaks_the_rules_is_refused(service: Service) -> None:
    async with a_receiver() as receiver:
        made = await service.subscribe(receiver.url)

        asked = {"only": "some", "since": "yesterday", "limit": 5}
        answer = await service.http.post(f"/v1/subscriptions/{made['id']}/replay", json=asked)

        assert answer.status_code == 422
        assert {error["pointer"] for error in answer.json()["errors"]} == {"/only", "/since", "/limit"}


async def test_a_replay_goes_on_in_another_process_where_the_first_was_killed(redis: Redis, store_url: str) -> None:
    settings = settings_for(store_url)
    async with a_receiver() as receiver:
        async with a_service(redis, settings) as service:
            made = await service.subscribe(receiver.url)
            await announce(redis, *(an_event(f"e{n}") for n in range(500)))
            await eventually(lambda: len(receiver.requests) == 500)
        begun, after_a_step = await _begun_and_stepped_once(redis, SubscriptionId(made["id"]))

        async with a_service(redis, settings) as service:
            await eventually(lambda: len(receiver.requests) == 1000)
            shown = (await service.http.get(f"/v1/subscriptions/{made['id']}/replays/{begun.id}")).json()

        assert begun.start != after_a_step.place != begun.end
        assert (shown["state"], shown["deliveries"]) == ("done", 500)
        assert len({request.id for request in receiver.requests}) == 500


async def test_two_processes_at_one_replay_enqueue_each_delivery_once(redis: Redis, store_url: str) -> None:
    settings = settings_for(store_url)
    async with a_receiver() as receiver:
        await announce(redis, *(an_event(f"e{n}") for n in range(1000)))
        async with a_service(redis, settings) as service, a_service(redis, settings):
            made = await service.subscribe(receiver.url)

            job = await replayed(service, made["id"], only="all")
            await eventually(lambda: len(set(receiver.event_ids)) == 1000)

        assert job["deliveries"] == len(receiver.requests) == 1000


async def test_a_replay_waits_while_enough_waits_for_its_endpoint(redis: Redis) -> None:
    store, shard, one = SubscriptionStore(redis, 1), Shard(0), SubscriptionId("s")
    replays = ReplayStore(redis, store, EventLog(redis))
    await redis.hset(shard.subscriptions, one, "{}")
    await redis.hset(shard.deliveries(one), mapping={f"waits{n}": "{}" for n in range(MOST_WAITING)})
    job = _a_job(one)
    await redis.hset(shard.replays, job.id, job.model_dump_json())
    after = job.moved(LogId("5-0"), 1, datetime.now(UTC))

    full = await replays.step(shard, job, after, _a_delivery())
    await redis.hdel(shard.deliveries(one), "waits0")
    room = await replays.step(shard, job, after, _a_delivery())
    late = await replays.step(shard, job, after, _a_delivery())

    assert (full, room, late) == (-2, 1, -1)


def _a_job(one: SubscriptionId) -> Replay:
    places = {"start": "0-0", "place": "0-0", "end": "9-0"}
    return Replay.model_validate(
        {"id": "r", "subscription_id": one, "only": "all", "since": None, "until": None, **places}
        | {"created_at": datetime.now(UTC)}
    )


def _a_delivery() -> Sequence[tuple[Delivery, str]]:
    return [(Delivery(DeliveryId("e-s"), EventId("e"), "item.published.v1", LogId("5-0"), 0), "")]


async def _begun_and_stepped_once(redis: Redis, one: SubscriptionId) -> tuple[Replay, Replay]:
    """Begin a replay of everything and take one step of it, as a process does that is killed then."""
    store, event_log = SubscriptionStore(redis, 2), EventLog(redis)
    replays = ReplayStore(redis, store, event_log)
    begun = await replays.begin(await store.find(one), "all", None, None)
    await ReplayWorker(redis, store, event_log, replays, lambda: None).step(store.shard_of(one), begun)
    return begun, await replays.find(one, begun.id)


async def _dead(service: Service, subscription_id: str, count: int) -> bool:
    params = {"subscription_id": subscription_id}
    page = (await service.http.get("/v1/deliveries/dead-letters", params=params)).json()
    return len(page["dead_letters"]) == count
