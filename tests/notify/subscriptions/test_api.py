"""Subscriptions over HTTP."""

import httpx
import pytest
from redis.asyncio import Redis

from shared.http.api_keys import ApiKey, KeyRing
from tests.notify.factories import Service, an_event, announce, settings_for
from tests.receiver import a_receiver
from tests.waiting import eventually

URL = "https://example.org/hook"


async def test_a_subscription_is_made_and_its_secret_shown_once(service: Service) -> None:
    answer = await service.http.post("/v1/subscriptions", json={"url": URL, "filter": {"langs": ["en"]}})

    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/v1/subscriptions/{made['id']}"
    assert made["secret"].startswith("whsec_")
    assert made["state"] == "active"
    assert made["filter"] == {"types": [], "langs": ["en"], "sections": [], "tags": [], "sources": []}
    shown = (await service.http.get(f"/v1/subscriptions/{made['id']}")).json()
    assert "secret" not in shown
    assert shown["url"] == URL


async def test_a_given_secret_is_used(service: Service) -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

    made = await service.subscribe(URL, secret=secret)

    assert made["secret"] == secret


async def test_nothing_secret_lies_open_in_the_store(service: Service) -> None:
    made = await service.subscribe(URL, headers={"Authorization": "Bearer their-password"})

    kept = str([await service.redis.hgetall(f"{{d{n}}}:subscriptions") for n in range(2)])
    assert made["id"] in kept
    assert made["secret"].removeprefix("whsec_") not in kept
    assert "their-password" not in kept


async def test_everything_that_is_wrong_is_said_at_once(service: Service) -> None:
    request = {
        "url": "http://10.0.0.1/",
        "filter": {"types": ["item.sold.v1"], "langs": "en", "colour": ["red"]},
        "ordered": "perhaps",
        "headers": {"Host": "x", "Webhook-Id": "y", "X\r\n": "z"},
        "description": "x" * 501,
        "secret": "hush",
        "colour": "red",
    }

    answer = await service.http.post("/v1/subscriptions", json=request)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    pointers = {error["pointer"] for error in answer.json()["errors"]}
    assert pointers == {
        *("/url", "/filter/types", "/filter/langs", "/filter/colour", "/ordered", "/headers", "/description"),
        *("/secret", "/colour"),
    }


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://example.org/", "example.org", "http://user@example.org/", "http://example.org/#a", "", "http://"),
        *(
            "http://10.0.0.1/",
            "http://[fd00::1]/",
            "http://2886729729/",
            "http://0xa.1/",
            "https://e.org/" + "x" * 2048,
        ),
    ],
)
async def test_an_unfit_url_is_refused(service: Service, url: str) -> None:
    answer = await service.http.post("/v1/subscriptions", json={"url": url})

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/url"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"{", 400, id="half a body"),
        pytest.param(b"\xff\xfe", 400, id="not UTF-8"),
        pytest.param(b"[]", 422, id="a list"),
        pytest.param(b"", 422, id="nothing"),
        pytest.param(b'{"url": 5}', 422, id="a number for a URL"),
        pytest.param(b"[" * 10_000, 400, id="deep brackets"),
        pytest.param(b" " * 70_000, 413, id="too much"),
    ],
)
async def test_a_body_that_is_no_request_is_refused(service: Service, body: bytes, status: int) -> None:
    answer = await service.http.post("/v1/subscriptions", content=body)

    assert answer.status_code == status


async def test_without_a_key_there_is_no_way_in(service: Service) -> None:
    for method, path in (
        ("GET", ""),
        ("POST", ""),
        ("GET", "/x"),
        ("PATCH", "/x"),
        ("DELETE", "/x"),
        ("POST", "/x/ping"),
    ):
        answer = await service.http.request(method, f"/v1/subscriptions{path}", headers={"Authorization": ""})
        assert answer.status_code == 401


async def test_a_key_sees_only_its_own_and_an_admin_all(service: Service, redis: Redis, store_url: str) -> None:
    ring = KeyRing(redis, settings_for(store_url))
    tokens = [
        await ring.create(ApiKey(name=name, scopes=frozenset({"subscriptions:write"}))) for name in ("one", "two")
    ]
    mine, theirs = ({"Authorization": f"Bearer {token}"} for token in tokens)
    made = (await service.http.post("/v1/subscriptions", json={"url": URL}, headers=mine)).json()
    path = f"/v1/subscriptions/{made['id']}"

    seen = [
        len((await service.http.get("/v1/subscriptions", headers=who)).json()["subscriptions"])
        for who in (mine, theirs)
    ]
    refused = [
        await service.http.get(path, headers=theirs),
        await service.http.patch(path, json={"ordered": True}, headers=theirs),
        await service.http.delete(path, headers=theirs),
        await service.http.post(f"{path}/ping", headers=theirs),
        await service.http.post(f"{path}/rotate-secret", headers=theirs),
        await service.http.get(f"{path}/attempts", headers=theirs),
        await service.http.get(f"/v1/deliveries/event-{made['id']}", headers=theirs),
    ]

    assert seen == [1, 0]
    assert {answer.status_code for answer in refused} == {404}
    assert len((await service.http.get("/v1/subscriptions")).json()["subscriptions"]) == 1


async def test_a_key_without_the_scope_is_forbidden(service: Service, redis: Redis, store_url: str) -> None:
    token = await KeyRing(redis, settings_for(store_url)).create(
        ApiKey(name="writer", scopes=frozenset({"items:write"}))
    )

    answer = await service.http.get("/v1/subscriptions", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 403


async def test_a_changed_filter_holds_from_then_on(service: Service) -> None:
    async with a_receiver() as receiver:
        made = await service.subscribe(receiver.url, filter={"langs": ["fr"]})
        answer = await service.http.patch(f"/v1/subscriptions/{made['id']}", json={"filter": {"langs": ["en"]}})

        await announce(service.redis, an_event("french", lang="fr"), an_event("english", lang="en"))

        await eventually(lambda: len(receiver.requests) == 1)
        assert answer.status_code == 200
        assert receiver.event_ids == ["english"]


@pytest.mark.parametrize("patch", [{"url": None}, {"secret": "x"}, {"url": "http://10.0.0.1/"}, {"state": "active"}])
async def test_a_patch_that_breaks_the_rules_is_refused(service: Service, patch: dict[str, object]) -> None:
    made = await service.subscribe(URL)

    answer = await service.http.patch(f"/v1/subscriptions/{made['id']}", json=patch)

    assert answer.status_code == 422
    assert (await service.http.get(f"/v1/subscriptions/{made['id']}")).json()["url"] == URL


async def test_deleting_drops_the_subscription_and_its_queue(service: Service) -> None:
    async with a_receiver(500) as receiver:
        made = await service.subscribe(receiver.url)
        await service.http.post(f"/v1/subscriptions/{made['id']}/pause")
        await service.http.post(f"/v1/subscriptions/{made['id']}/resume")

        answer = await service.http.delete(f"/v1/subscriptions/{made['id']}")

        assert answer.status_code == 204
        assert (await service.http.get(f"/v1/subscriptions/{made['id']}")).status_code == 404
        assert (await service.http.delete(f"/v1/subscriptions/{made['id']}")).status_code == 404
        left = [key async for key in service.redis.scan_iter(f"*{made['id']}*")]
        assert left == []


async def test_a_ping_reaches_the_endpoint(service: Service) -> None:
    async with a_receiver() as receiver:
        made = await service.subscribe(receiver.url)

        answer = await service.http.post(f"/v1/subscriptions/{made['id']}/ping")

        await eventually(lambda: len(receiver.requests) == 1)
        assert answer.status_code == 202
        assert receiver.requests[0].id == answer.json()["delivery_id"]
        assert b'"type": "ping.v1"' in receiver.requests[0].body
        receiver.requests[0].verify(made["secret"])


async def test_after_a_rotation_both_secrets_verify(service: Service) -> None:
    async with a_receiver() as receiver:
        made = await service.subscribe(receiver.url)
        fresh = (await service.http.post(f"/v1/subscriptions/{made['id']}/rotate-secret", json={})).json()

        await service.http.post(f"/v1/subscriptions/{made['id']}/ping")

        await eventually(lambda: len(receiver.requests) == 1)
        assert fresh["secret"] != made["secret"]
        receiver.requests[0].verify(made["secret"])
        receiver.requests[0].verify(fresh["secret"])


async def test_a_rotation_may_end_the_old_secret_at_once(service: Service) -> None:
    made = await service.subscribe(URL)

    answer = await service.http.post(f"/v1/subscriptions/{made['id']}/rotate-secret", json={"keep_old_for_hours": 0})

    assert answer.json()["secrets_in_use"] == 1


async def test_custom_headers_are_sent_and_not_shown(service: Service) -> None:
    async with a_receiver() as receiver:
        made = await service.subscribe(receiver.url, headers={"Authorization": "Bearer theirs"}, ping=True)

        await eventually(lambda: len(receiver.requests) == 1)

        assert receiver.requests[0].headers["authorization"] == "Bearer theirs"
        assert "theirs" not in str(made)


async def test_the_documentation_names_the_fields_of_a_subscription(service: Service) -> None:
    answer: httpx.Response = await service.http.get("/openapi.json")

    operation = answer.json()["paths"]["/v1/subscriptions"]["post"]
    fields = operation["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert {"url", "filter", "ordered", "headers", "secret"} <= fields.keys()
    assert "$defs" not in answer.text


async def test_subscriptions_are_listed_page_by_page(service: Service) -> None:
    made = [(await service.subscribe(URL, description=str(number)))["id"] for number in range(5)]

    seen: list[str] = []
    params: dict[str, str] = {"limit": "2"}
    while True:
        page = (await service.http.get("/v1/subscriptions", params=params)).json()
        seen += [one["id"] for one in page["subscriptions"]]
        if page["next"] is None:
            break
        params["cursor"] = page["next"]

    assert sorted(seen) == sorted(made)
