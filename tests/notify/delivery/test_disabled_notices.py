"""Operators are told of endpoints that were disabled."""

import json
from datetime import UTC, datetime

from redis.asyncio import Redis

from services.notify.delivery.disabled_notices import DisabledNotices, disabled_notice
from services.notify.model.delivery import Delivery
from services.notify.subscriptions.store import SubscriptionStore
from shared.http.api_keys import ApiKey, KeyRing
from shared.model.ids import SubscriptionId
from tests.notify.factories import Service, a_subscription, an_event, announce, settings_for
from tests.receiver import a_receiver
from tests.waiting import eventually

OPERATORS_FILTER = {"types": ["endpoint.disabled.v1"]}


async def test_a_disabled_endpoint_is_told_to_operators_with_its_contact(service: Service) -> None:
    async with a_receiver(410) as gone, a_receiver() as operator, a_receiver() as bystander:
        told = await service.subscribe(operator.url, filter=OPERATORS_FILTER)
        await service.subscribe(bystander.url)
        made = await service.subscribe(gone.url, contact="press@example.org")
        await announce(service.redis, an_event("e"))

        await eventually(lambda: len(operator.requests) == 1)

        operator.requests[0].verify(told["secret"])
        body = json.loads(operator.requests[0].body)
        assert body["type"] == "endpoint.disabled.v1"
        about = body["data"]["subscription"]
        assert (about["id"], about["url"], about["contact"]) == (made["id"], gone.url, "press@example.org")
        assert "410" in about["reason"]
        assert bystander.event_ids == ["e"]


async def test_a_notice_takes_an_admins_key(service: Service, redis: Redis, store_url: str) -> None:
    subscriber = ApiKey(name="subscriber", scopes=frozenset({"subscriptions:write"}))
    key = await KeyRing(redis, settings_for(store_url)).create(subscriber)

    asked = {"url": "https://example.org/", "filter": OPERATORS_FILTER}
    answer = await service.http.post("/v1/subscriptions", json=asked, headers={"Authorization": f"Bearer {key}"})

    assert answer.status_code == 403


async def test_a_notice_that_a_crash_left_untold_is_told_under_the_same_id(redis: Redis) -> None:
    store = SubscriptionStore(redis, 2)
    operator = a_subscription("operator", filter=OPERATORS_FILTER)
    await store.add(operator)
    await store.add(a_subscription("gone", state="disabled", notice_due=True, resume_from="0-0"))
    told: list[str] = []

    async def crash(_: SubscriptionId, delivery: Delivery) -> None:
        told.append(delivery.id)
        raise ConnectionError

    async def enqueue(_: SubscriptionId, delivery: Delivery) -> None:
        told.append(delivery.id)

    for attempt in (crash, enqueue, enqueue):
        try:
            await DisabledNotices(store, attempt, lambda: None).tell_all()
        except ConnectionError:
            continue

    assert len(told) == 2
    assert len(set(told)) == 1


def test_the_notice_of_one_disabling_always_has_the_same_id() -> None:
    one = a_subscription("one", state="disabled", state_since=datetime(2025, 5, 22, 10, 47, tzinfo=UTC))

    assert disabled_notice(one) == disabled_notice(one)
    assert disabled_notice(one)[0] == "disabled-one-1747910820000"
