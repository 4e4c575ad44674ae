"""Idempotency-Key on POST."""

import asyncio

from tests.factories import an_item
from tests.ingest_service import Ingest


def a_post(**changes: object) -> dict[str, object]:
    return {"source": "press", "external_id": "a", **an_item(**changes)}


async def test_the_same_request_again_is_answered_as_before(ingest: Ingest) -> None:
    first = await ingest.http.post("/v1/items", json=a_post(), headers={"Idempotency-Key": "k1"})
    await ingest.put("a", an_item(title="Something newer"))

    again = await ingest.http.post("/v1/items", json=a_post(), headers={"Idempotency-Key": "k1"})

    assert (again.status_code, again.json(), again.headers["etag"]) == (201, first.json(), first.headers["etag"])
    assert len(await ingest.events()) == 2


async def test_the_same_key_with_another_body_is_refused(ingest: Ingest) -> None:
    await ingest.http.post("/v1/items", json=a_post(), headers={"Idempotency-Key": "k1"})

    response = await ingest.http.post("/v1/items", json=a_post(title="Other"), headers={"Idempotency-Key": "k1"})

    assert response.status_code == 422
    assert len(await ingest.events()) == 1


async def test_the_key_of_another_sender_is_another_key(ingest: Ingest) -> None:
    await ingest.http.post("/v1/items", json=a_post(), headers={"Idempotency-Key": "k1"})
    header = await ingest.with_key("items:write")

    response = await ingest.http.post(
        "/v1/items", json=a_post(title="Other"), headers={"Idempotency-Key": "k1", **header}
    )

    assert response.status_code == 200


async def test_what_was_refused_may_be_mended_under_the_same_key(ingest: Ingest) -> None:
    await ingest.put("taken", an_item(slug="quay"))
    refused = await ingest.http.post("/v1/items", json=a_post(slug="quay"), headers={"Idempotency-Key": "k1"})

    mended = await ingest.http.post("/v1/items", json=a_post(slug="pier"), headers={"Idempotency-Key": "k1"})

    assert (refused.status_code, mended.status_code) == (409, 201)


async def test_twenty_at_once_under_one_key_publish_once(ingest: Ingest) -> None:
    responses = await asyncio.gather(
        *(ingest.http.post("/v1/items", json=a_post(), headers={"Idempotency-Key": "k1"}) for _ in range(20))
    )

    assert {response.status_code for response in responses} <= {200, 201}
    assert {response.json()["revision"] for response in responses} == {1}
    assert len(await ingest.events()) == 1
