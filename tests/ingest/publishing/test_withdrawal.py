"""DELETE: an item ends in one of three ways, and may come back."""

import pytest

from shared.model.listings import Listing
from shared.store import keys
from tests.factories import an_item
from tests.ingest_service import Ingest
from tests.store_contents import newest, released, store_contents, tombstones

HOME, NEWS, SEA = Listing("en", "home"), Listing("en", "section", "news"), Listing("en", "tag", "sea")


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"mode": "gone"}, id="gone"),
        pytest.param({"mode": "redirect", "to": "/en/news/"}, id="redirect to a page"),
        pytest.param({"mode": "redirect", "to": "https://example.org/elsewhere"}, id="redirect outside"),
        pytest.param({"mode": "notice", "notice": "Replaced on 23 May."}, id="notice"),
    ],
)
async def test_a_withdrawn_item_leaves_every_list_with_one_event(ingest: Ingest, how: dict[str, str]) -> None:
    receipt = await ingest.put("a", an_item(tags=["sea"], translation_set="opening"))

    await ingest.render()
    response = await ingest.withdraw("a", **how)
    await ingest.render()

    assert (response.status_code, response.json()["state"], response.json()["revision"]) == (200, "withdrawn", 2)
    event = (await ingest.events())[-1]
    assert (event["type"], event["revision"], event["before"]) == ("item.withdrawn.v1", "2", "1")
    for listing in (HOME, NEWS, SEA):
        assert await newest(ingest.redis, listing) == []
        assert await released(ingest.redis, listing) == []
        assert [item for item, _ in await tombstones(ingest.redis, listing)] == [receipt["id"]]
    assert await ingest.store.translations("opening") == {}
    assert await ingest.store.owners([ingest.path(receipt)]) == [receipt["id"]]


async def test_withdrawing_twice_is_one_revision(ingest: Ingest) -> None:
    await ingest.put("a", an_item())
    first = (await ingest.withdraw("a")).json()
    before = await store_contents(ingest.redis)

    again = await ingest.withdraw("a")

    assert again.json() == {**first, "changed": False}
    assert await store_contents(ingest.redis) == before


async def test_another_way_of_withdrawing_is_another_revision(ingest: Ingest) -> None:
    await ingest.put("a", an_item())
    await ingest.withdraw("a")

    response = await ingest.withdraw("a", mode="notice", notice="Replaced.")

    assert response.json()["revision"] == 3
    assert [event["type"] for event in await ingest.events()][1:] == ["item.withdrawn.v1"] * 2


async def test_a_withdrawn_item_comes_back_at_its_address(ingest: Ingest) -> None:
    first = await ingest.put("a", an_item(tags=["sea"]))
    await ingest.render()
    await ingest.withdraw("a")
    await ingest.render()

    back = await ingest.put("a", an_item())
    await ingest.render()

    event = (await ingest.events())[-1]
    assert (back["revision"], back["state"], back["url"]) == (3, "published", first["url"])
    assert (event["type"], event["previous"]) == ("item.published.v1", "2")
    assert await newest(ingest.redis, NEWS) == [back["id"]]
    assert await tombstones(ingest.redis, NEWS) == []
    assert [item for item, _ in await tombstones(ingest.redis, SEA)] == [back["id"]]


async def test_a_withdrawn_item_that_comes_back_waits_for_its_moment(ingest: Ingest) -> None:
    await ingest.put("a", an_item())
    await ingest.withdraw("a")

    receipt = await ingest.put("a", an_item(publish_at="2999-01-01T00:00:00Z"))
    again = await ingest.put("a", an_item(publish_at="2999-01-01T00:00:00Z"))

    assert (receipt["state"], receipt["scheduled"]["revision"]) == ("withdrawn", 3)
    assert again["changed"] is False
    assert len(await ingest.events()) == 2


async def test_tombstones_keep_the_last_hundred(ingest: Ingest) -> None:
    await ingest.redis.zadd(
        keys.tombstones(NEWS), {f"old-{number}": 4_000_000_000_000 + number for number in range(99)}
    )
    for name in ("a", "b"):
        await ingest.put(name, an_item())
        await ingest.render()
        await ingest.withdraw(name)
        await ingest.render()

    kept = await tombstones(ingest.redis, NEWS)

    assert len(kept) == 100
    assert sum(item.startswith("old-") for item, _ in kept) == 99


async def test_tombstones_of_more_than_ninety_days_go(ingest: Ingest) -> None:
    await ingest.redis.zadd(keys.tombstones(NEWS), {"long-ago": 1_000_000_000_000})
    receipt = await ingest.put("a", an_item())
    await ingest.render()

    await ingest.withdraw("a")
    await ingest.render()

    assert [item for item, _ in await tombstones(ingest.redis, NEWS)] == [receipt["id"]]


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"mode": "vanish"}, id="unknown mode"),
        pytest.param({"mode": "redirect"}, id="redirect to nowhere"),
        pytest.param({"mode": "notice"}, id="notice without words"),
        pytest.param({"mode": "gone", "to": "/en/"}, id="what would be ignored"),
        pytest.param({"mode": "redirect", "to": "javascript:alert(1)"}, id="redirect to a script"),
        pytest.param({"mode": "redirect", "to": "//evil.example"}, id="redirect to another host in disguise"),
        pytest.param({"mode": "redirect", "to": "/\\evil.example"}, id="redirect with a backslash"),
        pytest.param({"mode": "gone", "why": "x"}, id="unknown field"),
    ],
)
async def test_a_withdrawal_that_breaks_rules_is_refused(ingest: Ingest, how: dict[str, str]) -> None:
    await ingest.put("a", an_item())

    response = await ingest.http.request("DELETE", "/v1/items/press/a", json=how)

    assert response.status_code == 422
    assert response.json()["errors"]
    assert len(await ingest.events()) == 1


async def test_withdrawing_without_a_body_means_gone(ingest: Ingest) -> None:
    await ingest.put("a", an_item())

    response = await ingest.http.delete("/v1/items/press/a")

    assert response.status_code == 200
    assert (await ingest.get("/v1/items/press/a"))["withdrawal"]["mode"] == "gone"


async def test_what_is_not_there_cannot_be_withdrawn(ingest: Ingest) -> None:
    response = await ingest.withdraw("never")

    assert response.status_code == 404


async def test_withdrawing_honours_if_match(ingest: Ingest) -> None:
    await ingest.put("a", an_item())

    response = await ingest.http.request("DELETE", "/v1/items/press/a", headers={"If-Match": '"7"'})

    assert response.status_code == 412
    assert len(await ingest.events()) == 1
