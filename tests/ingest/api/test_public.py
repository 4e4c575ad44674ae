"""`GET /v1/items`: what readers may see, newest first, with cursors that nothing moves."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.factories import an_item
from tests.ingest_service import Ingest


def on_day(number: int) -> str:
    return (datetime(2026, 5, 1, tzinfo=UTC) + timedelta(days=number)).isoformat()


async def titles(ingest: Ingest, query: str = "") -> list[str]:
    return [item["title"] for item in (await ingest.get(f"/v1/items{query}"))["items"]]


async def walk(ingest: Ingest, query: str) -> list[str]:
    found, cursor = [], ""
    while True:
        page = await ingest.get(f"/v1/items?{query}{cursor}")
        found += [item["title"] for item in page["items"]]
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"


async def test_it_lists_what_readers_see_without_a_key(ingest: Ingest) -> None:
    receipt = await ingest.put("a", an_item(tags=["sea"], summary="Short"))
    await ingest.put("b", an_item(title="Secret", publish_at="2999-01-01T00:00:00Z"))
    await ingest.put("c", an_item(title="Gone"))
    await ingest.render()
    await ingest.withdraw("c")
    await ingest.render()
    await ingest.put("d", an_item(title="Not shown yet"))

    response = await ingest.http.get("/v1/items", headers={"Authorization": ""})

    (item,) = response.json()["items"]
    assert (item["url"], item["summary"], item["tags"]) == (receipt["url"], "Short", ["sea"])
    assert not {"publish_at", "accepted_at", "slug", "path", "update_type"} & set(item)


async def test_it_is_asked_by_language_section_and_tag(ingest: Ingest) -> None:
    await ingest.put("a", an_item(title="News", tags=["sea"]))
    await ingest.put("b", an_item(title="Order", section="documents/orders", tags=["sea"]))
    await ingest.put("c", an_item(title="Новость", lang="ru"))
    await ingest.render()

    assert set(await titles(ingest)) == {"News", "Order"}
    assert await titles(ingest, "?lang=ru") == ["Новость"]
    assert await titles(ingest, "?section=documents") == ["Order"]
    assert set(await titles(ingest, "?tag=sea")) == {"News", "Order"}
    assert await titles(ingest, "?tag=sea&section=documents") == ["Order"]
    assert await titles(ingest, "?tag=sky") == []


async def test_a_walk_by_cursor_meets_every_item_once(ingest: Ingest) -> None:
    for number in range(12):
        await ingest.put(f"n{number}", an_item(title=f"T{number}", published_at=on_day(number)))
    await ingest.render()

    assert await walk(ingest, "limit=5") == [f"T{number}" for number in reversed(range(12))]


async def test_a_walk_over_items_of_one_moment_meets_every_item_once(ingest: Ingest) -> None:
    for number in range(12):
        await ingest.put(f"n{number}", an_item(title=f"T{number}"))
    await ingest.render()

    found = await walk(ingest, "limit=5")

    assert sorted(found) == sorted(f"T{number}" for number in range(12))


async def test_what_comes_in_or_goes_moves_no_cursor(ingest: Ingest) -> None:
    for number in range(6):
        await ingest.put(f"n{number}", an_item(title=f"T{number}", published_at=on_day(number)))
    await ingest.render()
    first = await ingest.get("/v1/items?limit=3")

    await ingest.put("newer", an_item(title="Newer", published_at=on_day(9)))
    await ingest.withdraw("n3")  # the item that the cursor names
    await ingest.withdraw("n5")
    await ingest.render()
    second = await ingest.get(f"/v1/items?limit=3&cursor={first['next']}")

    assert [item["title"] for item in second["items"]] == ["T2", "T1", "T0"]


async def test_a_known_etag_is_answered_304(ingest: Ingest) -> None:
    await ingest.put("a", an_item())
    await ingest.render()
    etag = (await ingest.http.get("/v1/items")).headers["etag"]

    known = await ingest.http.get("/v1/items", headers={"If-None-Match": etag})
    await ingest.put("b", an_item(title="Newer"))
    await ingest.render()
    changed = await ingest.http.get("/v1/items", headers={"If-None-Match": etag})

    assert (known.status_code, known.content) == (304, b"")
    assert changed.status_code == 200


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        pytest.param("lang=fr", "/lang", id="language"),
        pytest.param("section=sport", "/section", id="section"),
        pytest.param("limit=0", "/limit", id="limit"),
        pytest.param("limit=101", "/limit", id="large limit"),
        pytest.param("cursor=abc", "/cursor", id="cursor"),
        pytest.param("cursor=WzEwXQ", "/cursor", id="cursor of another shape"),
        pytest.param("cursor=W251bGwsbnVsbF0", "/cursor", id="cursor of nothing"),
        pytest.param("colour=red", "/colour", id="unknown parameter"),
    ],
)
async def test_a_query_that_breaks_rules_is_refused(ingest: Ingest, query: str, pointer: str) -> None:
    response = await ingest.http.get(f"/v1/items?{query}")

    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
