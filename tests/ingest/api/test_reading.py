"""What upstream systems may ask about their items."""

from datetime import datetime, timedelta

import pytest

from shared.model.clock import store_now
from shared.model.preview import read_preview
from tests.factories import an_item
from tests.ingest_service import Ingest

FAR = "2999-01-01T00:00:00Z"


async def test_what_is_fetched_can_be_sent_back(ingest: Ingest) -> None:
    await ingest.put(
        "a",
        an_item(
            summary="Short",
            tags=["sea"],
            authors=["Press Service"],
            images=[{"url": "https://example.org/a.jpg", "alt": "A quay"}],
            document={"number": "7", "signed_on": "2026-05-22"},
        ),
    )
    found = await ingest.get("/v1/items/press/a")

    again = await ingest.put("a", found["item"])

    assert again["changed"] is False


async def test_an_item_that_waits_is_shown_to_those_with_a_key_only(ingest: Ingest) -> None:
    await ingest.put("a", an_item(publish_at=FAR))

    with_key = await ingest.get("/v1/items/press/a")
    without = await ingest.http.get("/v1/items/press/a", headers={"Authorization": ""})
    foreign = await ingest.http.get(
        "/v1/items/press/a", headers=await ingest.with_key("items:read", sources=("gazette",))
    )

    assert (with_key["state"], with_key["item"]["publish_at"]) == ("scheduled", FAR)
    assert (without.status_code, foreign.status_code) == (401, 403)


@pytest.mark.parametrize("path", ["", "/revisions", "/status"])
async def test_what_was_never_sent_is_not_found(ingest: Ingest, path: str) -> None:
    response = await ingest.http.get(f"/v1/items/press/never{path}")

    assert response.status_code == 404


async def test_revisions_come_newest_first_a_page_at_a_time(ingest: Ingest) -> None:
    for number in range(1, 6):
        await ingest.put("a", an_item(title=f"Title {number}"))
    await ingest.put("a", an_item(title="Secret", publish_at=FAR))

    first = await ingest.get("/v1/items/press/a/revisions?limit=4")
    rest = await ingest.get(f"/v1/items/press/a/revisions?limit=4&before={first['next']}")

    assert [one["revision"] for one in first["revisions"] + rest["revisions"]] == [6, 5, 4, 3, 2, 1]
    assert [one["public"] for one in first["revisions"]] == [False, True, False, False]
    assert rest["next"] is None


async def test_the_status_tells_when_the_item_was_accepted_and_that_it_is_not_announced_yet(ingest: Ingest) -> None:
    receipt = await ingest.put("a", an_item())

    status = await ingest.get("/v1/items/press/a/status")

    assert status["accepted"]["event_id"] == receipt["event_id"]
    assert status["announced"] is None


async def test_a_preview_link_shows_what_is_not_public_until_it_expires(ingest: Ingest) -> None:
    receipt = await ingest.put("a", an_item(publish_at=FAR))

    response = await ingest.http.post("/v1/items/press/a/preview", json={"expires_in": 120})

    link = response.json()
    token = link["url"].removeprefix(f"{ingest.settings.base_url}/preview/")
    secret = ingest.settings.secrets_key
    now = await store_now(ingest.redis)
    assert secret is not None
    assert response.status_code == 201
    preview = read_preview(token, secret, now)
    assert preview is not None
    assert (preview.item_id, preview.revision) == (receipt["id"], 1)
    assert preview.expires_at == datetime.fromisoformat(link["expires_at"])
    assert read_preview(token, secret, now + timedelta(seconds=121)) is None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({"revision": 7}, 404, id="no such revision"),
        pytest.param({"expires_in": 1}, 422, id="too short"),
        pytest.param({"expires_in": 10**9}, 422, id="too long"),
        pytest.param({"forever": True}, 422, id="unknown field"),
    ],
)
async def test_a_preview_that_cannot_be_is_refused(ingest: Ingest, body: dict[str, object], status: int) -> None:
    await ingest.put("a", an_item())

    response = await ingest.http.post("/v1/items/press/a/preview", json=body)

    assert response.status_code == status
