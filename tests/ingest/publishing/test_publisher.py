"""PUT and POST: what comes of an item that is sent, once, again, by many at once."""

import asyncio

import httpx
import pytest

from shared.model.ids import item_id
from shared.model.listings import Listing
from shared.store import keys
from tests.factories import an_item
from tests.ingest_service import Ingest
from tests.store_contents import newest, store_contents


async def test_a_new_item_is_created_public_and_has_one_event(ingest: Ingest) -> None:
    response = await ingest.send("opening", an_item(title="The harbour opens", tags=["sea"]))

    receipt = response.json()
    assert response.status_code == 201
    assert response.headers["etag"] == '"1"'
    assert receipt == {
        "id": item_id("press", "opening"),
        "source": "press",
        "external_id": "opening",
        "revision": 1,
        "state": "published",
        "url": f"{ingest.settings.base_url}/en/news/2026/05/the-harbour-opens/",
        "event_id": f"{receipt['id']}-1",
        "changed": True,
    }
    (event,) = await ingest.events()
    assert (event["id"], event["type"], event["before"]) == (receipt["event_id"], "item.published.v1", "0")


async def test_post_takes_the_identity_from_the_body(ingest: Ingest) -> None:
    response = await ingest.http.post("/v1/items", json={"source": "press", "external_id": "a", **an_item()})

    assert response.status_code == 201
    assert (await ingest.get("/v1/items/press/a"))["item"]["title"] == "The harbour opens"


async def test_the_same_put_twice_makes_one_revision_and_one_event(ingest: Ingest) -> None:
    first = await ingest.put("opening", an_item())
    before = await store_contents(ingest.redis)

    response = await ingest.send("opening", an_item())

    assert response.status_code == 200
    assert response.json() == {**first, "changed": False}
    assert await store_contents(ingest.redis) == before


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"update_type": "minor"}, id="an update type by itself"),
        pytest.param({"published_at": ...}, id="published_at left out"),
        pytest.param({"published_at": "2026-05-22T10:47:00Z"}, id="the same moment in another zone"),
        pytest.param({"summary": None, "tags": []}, id="defaults spelled out"),
    ],
)
async def test_what_readers_could_not_tell_apart_is_no_change(ingest: Ingest, change: dict[str, object]) -> None:
    await ingest.put("opening", an_item())

    again = await ingest.put("opening", an_item(**change))

    assert (again["changed"], again["revision"]) == (False, 1)
    assert len(await ingest.events()) == 1


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"title": "The harbour is open"}, id="title"),
        pytest.param({"tags": ["sea"]}, id="tags"),
        pytest.param({"document": {"number": "7"}}, id="document"),
        pytest.param({"change_note": "A date was wrong."}, id="change note"),
    ],
)
async def test_a_change_makes_the_next_revision_and_its_event(ingest: Ingest, change: dict[str, object]) -> None:
    first = await ingest.put("opening", an_item())

    second = await ingest.put("opening", an_item(**change))

    assert (second["revision"], second["changed"], second["url"]) == (2, True, first["url"])
    event = (await ingest.events())[1]
    assert (event["type"], event["before"], event["previous"]) == ("item.revised.v1", "1", "1")


async def test_a_minor_revision_says_so_in_its_event(ingest: Ingest) -> None:
    await ingest.put("opening", an_item())

    await ingest.put("opening", an_item(title="The harbour is open", update_type="minor"))

    assert [event["update_type"] for event in await ingest.events()] == ["major", "minor"]


async def test_put_replaces_the_whole_item(ingest: Ingest) -> None:
    await ingest.put("opening", an_item(summary="In short", tags=["sea"], place="Port"))

    await ingest.put("opening", an_item())

    item = (await ingest.get("/v1/items/press/opening"))["item"]
    assert (item["summary"], item["tags"], item["place"]) == (None, [], None)
    assert await newest(ingest.redis, Listing("en", "tag", "sea")) == []


async def test_an_omitted_published_at_is_the_moment_of_becoming_public(ingest: Ingest) -> None:
    receipt = await ingest.put("opening", an_item(published_at=...))

    found = await ingest.get("/v1/items/press/opening")
    assert found["item"]["published_at"] == found["accepted_at"]
    assert receipt["state"] == "published"


async def test_two_hundred_puts_at_once_end_in_one_consistent_item(ingest: Ingest) -> None:
    titles = [f"Title {number % 20}" for number in range(200)]

    responses = await asyncio.gather(*(ingest.send("opening", an_item(title=title)) for title in titles))

    assert {response.status_code for response in responses} <= {200, 201}
    changed = [response.json() for response in responses if response.json()["changed"]]
    events = await ingest.events()
    found = await ingest.get("/v1/items/press/opening")
    await ingest.render()
    assert sorted(receipt["revision"] for receipt in changed) == list(range(1, len(changed) + 1))
    assert [int(event["revision"]) for event in events] == list(range(1, len(changed) + 1))
    assert [int(event["previous"]) for event in events] == list(range(len(changed)))
    assert found["revision"] == len(changed)
    assert len(await ingest.redis.hgetall(keys.revisions(found["id"]))) == len(changed)
    assert await newest(ingest.redis, Listing("en", "home")) == [found["id"]]
    assert await ingest.redis.hgetall(keys.PATHS) == {ingest.path(found): found["id"]}


async def test_if_match_lets_the_revision_through_that_was_seen(ingest: Ingest) -> None:
    await ingest.put("opening", an_item())

    response = await ingest.send("opening", an_item(title="Second"), if_match='"1"')

    assert response.status_code == 200
    assert response.headers["etag"] == '"2"'


@pytest.mark.parametrize(
    ("value", "status"),
    [
        pytest.param('"2"', 412, id="not there yet"),
        pytest.param('"0"', 412, id="there was none"),
        pytest.param("*", 200, id="any"),
        pytest.param('W/"1"', 200, id="weak"),
        pytest.param("latest", 422, id="no number"),
    ],
)
async def test_if_match_guards_a_revision(ingest: Ingest, value: str, status: int) -> None:
    await ingest.put("opening", an_item())

    response = await ingest.send("opening", an_item(title="Second"), if_match=value)

    assert response.status_code == status
    assert len(await ingest.events()) == (2 if status == 200 else 1)


async def test_the_trace_of_the_caller_goes_on_in_the_event(ingest: Ingest) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"

    await ingest.send("opening", an_item(), traceparent=f"00-{trace}-00f067aa0ba902b7-01")

    assert (await ingest.events())[0]["trace_id"] == trace


async def test_the_audit_tells_who_did_what(ingest: Ingest) -> None:
    header = await ingest.with_key("items:write")
    ingest.http.headers.update(header)

    await ingest.put("opening", an_item())
    await ingest.put("opening", an_item())
    await ingest.put("opening", an_item(title="Second"))
    await ingest.withdraw("opening")

    entries = await ingest.redis.xrange(keys.AUDIT)
    assert [(one["actor"], one["act"], one["revision"]) for _, one in entries or () if one] == [
        ("wire", "published", "1"),
        ("wire", "revised", "2"),
        ("wire", "withdrawn", "3"),
    ]


async def test_validating_says_what_put_would_say_and_writes_nothing(ingest: Ingest) -> None:
    await ingest.put("opening", an_item())
    before = await store_contents(ingest.redis)

    async def validate(**item: object) -> httpx.Response:
        return await ingest.http.post("/v1/items/validate", json={"source": "press", **item})

    fresh = await validate(external_id="new", **an_item(slug="quay"))
    revised = await validate(external_id="opening", **an_item(title="Second"))
    unchanged = await validate(external_id="opening", **an_item())
    taken = await validate(external_id="new", **an_item(slug="the-harbour-opens"))
    wrong = await validate(external_id="new", **an_item(section="sport"))

    assert (fresh.status_code, fresh.json()["revision"], fresh.json()["url"][-6:]) == (200, 1, "/quay/")
    assert (revised.json()["revision"], revised.json()["changed"]) == (2, True)
    assert unchanged.json()["changed"] is False
    assert (taken.status_code, wrong.status_code) == (409, 422)
    assert await store_contents(ingest.redis) == before


async def test_the_same_content_is_a_change_where_it_could_not_be_rendered(ingest: Ingest) -> None:
    first = await ingest.put("opening", an_item())
    # What render does when the revision breaks its template.
    await ingest.redis.hset(keys.item(first["id"]), mapping={"public": "0", "unrenderable": "1"})

    again = await ingest.put("opening", an_item())

    assert (again["changed"], again["revision"]) == (True, 2)
    assert [event["type"] for event in await ingest.events()] == ["item.published.v1"] * 2
