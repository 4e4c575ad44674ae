"""A channel of one file: the subscription API, the store and the delivery engine take it as they take webhooks."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from aiohttp import web
from redis.asyncio import Redis

from services.notify.channels.base import Channel, Message, Recipient, Target
from services.notify.channels.http_post import Post, SendResult
from services.notify.channels.registry import CHANNELS
from services.notify.model.delivery import Delivery, Success, TryAgain
from tests.cli.command_acts import run
from tests.factories import ADMIN_KEY
from tests.notify.console.operators import ConsoleOperator, text_of
from tests.notify.factories import Service, a_service, an_event, announce, settings_for
from tests.receiver import Received, a_receiver
from tests.waiting import eventually

LOFT = "pigeon:loft-7"


class PigeonTarget(Target):
    """Where the pigeon flies to, and the ring by which it is known there."""

    ring: int
    password: str = ""


class PigeonChannel(Channel[PigeonTarget]):
    """Sends by pigeon; the first one is lost."""

    kind = "pigeon"
    target = PigeonTarget

    def __init__(self) -> None:
        self.sent: list[tuple[str, PigeonTarget, bytes]] = []

    async def send(
        self, recipient: Recipient[PigeonTarget], delivery: Delivery, message: Message, traceparent: str, post: Post
    ) -> SendResult:
        self.sent.append((delivery.event_id, recipient.target, message.body))
        if len(self.sent) == 1:
            return TryAgain("timeout", "the pigeon is late"), "no feather"
        return Success(200), ""


@pytest.fixture
def pigeons() -> PigeonChannel:
    return PigeonChannel()


@pytest.fixture
async def service(redis: Redis, store_url: str, pigeons: PigeonChannel) -> AsyncIterator[Service]:
    async with a_service(redis, settings_for(store_url), (*CHANNELS, pigeons)) as service:
        yield service


async def test_an_announced_event_is_sent_and_sent_again_through_it(service: Service, pigeons: PigeonChannel) -> None:
    made = await service.subscribe(LOFT, kind="pigeon", ring=7, password="coo", filter={"langs": ["en"]})
    event = an_event("english")

    await announce(service.redis, event, an_event("french", lang="fr"))

    await eventually(lambda: len(pigeons.sent) == 2)
    target = PigeonTarget(url=LOFT, ring=7, password="coo")
    assert pigeons.sent == [("english", target, event.body.encode())] * 2
    attempts = f"/v1/subscriptions/{made['id']}/attempts"

    async def is_settled() -> bool:
        return len((await service.http.get(attempts)).json()["attempts"]) == 2

    await eventually(is_settled)
    last, first = (await service.http.get(attempts)).json()["attempts"]
    assert (first["outcome"], first["detail"], first["answer"]) == ("failed", "the pigeon is late", "no feather")
    assert last["outcome"] == "delivered"
    delivery = (await service.http.get(f"/v1/deliveries/english-{made['id']}")).json()
    assert delivery["status"] == "delivered"


async def test_its_target_is_sealed_in_the_store_and_only_its_address_is_shown(service: Service) -> None:
    made = await service.subscribe(LOFT, kind="pigeon", ring=7, password="coo-coo")

    kept = str([await service.redis.hgetall(f"{{d{number}}}:subscriptions") for number in range(2)])
    assert made["id"] in kept
    assert "coo-coo" not in kept
    listed = (await service.http.get("/v1/subscriptions")).json()["subscriptions"]
    assert [(one["kind"], one["url"]) for one in listed] == [("pigeon", LOFT)]
    assert {"ring", "password", "headers"}.isdisjoint(listed[0])


async def test_a_field_of_its_target_is_changed_and_the_others_stay(service: Service, pigeons: PigeonChannel) -> None:
    made = await service.subscribe(LOFT, kind="pigeon", ring=7, password="coo")

    await service.http.patch(f"/v1/subscriptions/{made['id']}", json={"ring": 8})

    await service.http.post(f"/v1/subscriptions/{made['id']}/ping")
    await eventually(lambda: len(pigeons.sent) > 0)
    assert pigeons.sent[0][1] == PigeonTarget(url=LOFT, ring=8, password="coo")


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        pytest.param({"kind": "pigeon", "url": LOFT}, ["/ring"], id="its own field is missing"),
        pytest.param({"kind": "pigeon", "url": LOFT, "ring": 7, "headers": {}}, ["/headers"], id="a webhook's field"),
        pytest.param({"url": "https://example.org/", "ring": 7}, ["/ring"], id="its field for a webhook"),
        pytest.param({"kind": "owl", "url": LOFT}, ["/kind"], id="a kind that there is not"),
        pytest.param({"kind": ["pigeon"], "url": LOFT}, ["/kind"], id="a kind that is no word"),
    ],
)
async def test_its_own_fields_are_checked(service: Service, body: dict[str, object], pointers: list[str]) -> None:
    answer = await service.http.post("/v1/subscriptions", json=body)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == pointers


async def test_the_documentation_has_its_fields(service: Service) -> None:
    operations = (await service.http.get("/openapi.json")).json()["paths"]["/v1/subscriptions"]

    schemas = operations["post"]["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    assert [schema["properties"]["kind"]["const"] for schema in schemas] == ["webhook", "pigeon"]
    assert "ring" in schemas[1]["properties"]


async def test_the_command_line_names_its_kind_and_its_fields() -> None:
    async def answer(_: Received) -> web.Response:
        return web.json_response({"id": "sub1", "secret": "whsec_1"}, status=201)

    async with a_receiver(answer=answer) as api:
        base = api.url.removesuffix("/hook")
        command = ("subscribe", LOFT, "--kind", "pigeon", "--set", "ring=7", "--url", base, "--key", "k")
        subscribed = await run(None, *command)

    asked = json.loads(api.requests[0].body)
    assert subscribed.exit_code == 0
    assert (asked["kind"], asked["url"], asked["ring"]) == ("pigeon", LOFT, "7")


async def test_the_console_shows_its_kind_and_its_address(service: Service) -> None:
    made = await service.subscribe(LOFT, kind="pigeon", ring=7)
    service.http.headers["Origin"] = str(service.http.base_url)
    operator = ConsoleOperator(service.http)
    await operator.sign_in(ADMIN_KEY)

    page = text_of(await operator.page(f"/console/subscriptions/{made['id']}"))

    assert f"{LOFT} pigeon" in page


async def test_a_release_that_lacks_it_tries_again_and_loses_nothing(redis: Redis, store_url: str) -> None:
    settings, pigeons = settings_for(store_url, retry_schedule=(timedelta(minutes=5),)), PigeonChannel()
    async with a_service(redis, settings, (*CHANNELS, pigeons)) as newer:
        made = await newer.subscribe(LOFT, kind="pigeon", ring=7)
    async with a_service(redis, settings) as older:
        ping = (await older.http.post(f"/v1/subscriptions/{made['id']}/ping")).json()["delivery_id"]

        await eventually(lambda: _is_waiting(older, ping))

        assert (await older.http.get(f"/v1/subscriptions/{made['id']}")).json()["kind"] == "pigeon"
        assert (await older.http.patch(f"/v1/subscriptions/{made['id']}", json={"ring": 8})).status_code == 409
    async with a_service(redis, settings, (*CHANNELS, pigeons)) as newer:
        await newer.http.post(f"/v1/deliveries/{ping}/retry")
        await eventually(lambda: len(pigeons.sent) == 1)


async def _is_waiting(service: Service, delivery: str) -> bool:
    answer = (await service.http.get(f"/v1/deliveries/{delivery}")).json()
    details = [attempt["detail"] for attempt in answer["attempts"]]
    return answer["status"] == "waiting" and details == ['this release has no channel "pigeon"']
