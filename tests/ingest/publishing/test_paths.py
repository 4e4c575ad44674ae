"""Addresses: made from titles, chosen, taken, moved; and places in translation sets."""

import asyncio

import pytest
from redis.asyncio import Redis

from shared.model.items import Withdrawal
from shared.model.listings import Listing
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.redirects import redirect_target
from tests.factories import an_item
from tests.ingest_service import Ingest, running_ingest
from tests.store_contents import newest


async def test_items_of_one_title_get_numbered_addresses(ingest: Ingest) -> None:
    receipts = [await ingest.put(f"n{number}", an_item()) for number in range(5)]

    slugs = [ingest.path(receipt).split("/")[-2] for receipt in receipts]
    assert slugs == ["the-harbour-opens", *(f"the-harbour-opens-{number}" for number in (2, 3, 4, 5))]


async def test_items_of_one_title_sent_at_once_get_an_address_each(ingest: Ingest) -> None:
    receipts = await asyncio.gather(*(ingest.put(f"n{number}", an_item()) for number in range(20)))

    paths = {ingest.path(receipt) for receipt in receipts}
    owners = await ingest.redis.hgetall(keys.PATHS)
    assert len(paths) == 20
    assert owners == {ingest.path(receipt): receipt["id"] for receipt in receipts}


async def test_a_chosen_slug_is_the_address(ingest: Ingest) -> None:
    receipt = await ingest.put("a", an_item(slug="order-7.1"))

    assert ingest.path(receipt) == "/en/news/2026/05/order-7.1/"


async def test_a_chosen_slug_that_is_taken_is_refused(ingest: Ingest) -> None:
    await ingest.put("a", an_item(slug="quay"))

    response = await ingest.send("b", an_item(slug="quay"))

    assert response.status_code == 409
    assert len(await ingest.events()) == 1


async def test_of_many_who_choose_one_slug_at_once_one_gets_it(ingest: Ingest) -> None:
    responses = await asyncio.gather(*(ingest.send(f"n{number}", an_item(slug="quay")) for number in range(20)))

    assert sorted(response.status_code for response in responses) == [201] + [409] * 19
    assert len(await ingest.events()) == 1


async def test_a_new_title_moves_nothing(ingest: Ingest) -> None:
    first = await ingest.put("a", an_item())

    second = await ingest.put("a", an_item(title="Something else"))

    assert second["url"] == first["url"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        pytest.param({"slug": "quay"}, "/en/news/2026/05/quay/", id="slug"),
        pytest.param({"section": "documents"}, "/en/documents/2026/05/the-harbour-opens/", id="section"),
        pytest.param(
            {"published_at": "2026-04-30T20:30:00Z"}, "/en/news/2026/05/the-harbour-opens/", id="the site's May"
        ),
        pytest.param({"published_at": "2026-04-30T19:30:00Z"}, "/en/news/2026/04/the-harbour-opens/", id="April"),
    ],
)
async def test_a_moved_item_keeps_its_old_address_for_the_redirect(
    ingest: Ingest, change: dict[str, object], path: str
) -> None:
    first = await ingest.put("a", an_item())

    second = await ingest.put("a", an_item(**change))

    assert ingest.path(second) == path
    assert await ingest.store.owners([ingest.path(first), path]) == [first["id"], first["id"]]


async def test_an_old_address_is_not_given_to_another_item(ingest: Ingest) -> None:
    await ingest.put("a", an_item(slug="quay"))
    await ingest.put("a", an_item(slug="new-quay"))

    response = await ingest.send("b", an_item(slug="quay"))

    assert response.status_code == 409


async def test_an_item_may_go_back_to_an_address_it_had(ingest: Ingest) -> None:
    first = await ingest.put("a", an_item(slug="quay"))
    await ingest.put("a", an_item(slug="new-quay"))

    third = await ingest.put("a", an_item(slug="quay"))

    assert third["url"] == first["url"]


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        pytest.param("Порт открыт", "port-otkryt", id="Cyrillic"),
        pytest.param("2026", "item-2026", id="digits only"),
        pytest.param("Search", "item-search", id="reserved"),
        pytest.param("!!!", "item", id="nothing to write"),
        pytest.param("W" * 300, "w" * 80, id="long"),
    ],
)
async def test_a_title_in_any_script_makes_an_address(ingest: Ingest, title: str, slug: str) -> None:
    receipt = await ingest.put("a", an_item(title=title))

    assert ingest.path(receipt) == f"/en/news/2026/05/{slug}/"


async def test_a_second_item_of_a_language_in_a_translation_set_is_refused(ingest: Ingest) -> None:
    await ingest.put("en", an_item(translation_set="opening"))
    await ingest.put("ru", an_item(translation_set="opening", lang="ru"))

    response = await ingest.send("other", an_item(translation_set="opening"))

    assert response.status_code == 409
    assert set(await ingest.store.translations("opening")) == {"en", "ru"}


async def test_a_place_in_a_translation_set_is_free_again_when_its_item_leaves(ingest: Ingest) -> None:
    await ingest.put("first", an_item(translation_set="opening"))
    await ingest.put("first", an_item())

    second = await ingest.put("second", an_item(translation_set="opening"))

    assert await ingest.store.translations("opening") == {"en": second["id"]}


async def test_a_revision_of_another_language_moves_its_place_in_the_set(ingest: Ingest) -> None:
    receipt = await ingest.put("a", an_item(translation_set="opening"))

    await ingest.put("a", an_item(translation_set="opening", lang="ru"))

    assert await ingest.store.translations("opening") == {"ru": receipt["id"]}
    assert await newest(ingest.redis, Listing("en", "home")) == []


async def test_a_redirect_is_told_where_it_ends(ingest: Ingest) -> None:
    target = await ingest.put("target", an_item(slug="old"))
    await ingest.put("target", an_item(slug="new"))
    between = await ingest.put("between", an_item(slug="between"))
    await ingest.withdraw("between", mode="redirect", to=ingest.path(target))
    leaving = await ingest.put("leaving", an_item(slug="leaving"))

    response = await ingest.withdraw("leaving", mode="redirect", to=between["url"])

    found = await ingest.get("/v1/items/press/leaving")
    assert response.status_code == 200
    assert found["withdrawal"] == Withdrawal(mode="redirect", to="/en/news/2026/05/new/").model_dump()
    store = ingest.store
    read = store.public_revision
    assert (
        await redirect_target(store, ingest.path(between), leaving=leaving["id"], read=read) == "/en/news/2026/05/new/"
    )


async def test_a_redirect_that_leads_back_is_refused(ingest: Ingest) -> None:
    one = await ingest.put("one", an_item(slug="one"))
    two = await ingest.put("two", an_item(slug="two"))
    await ingest.withdraw("one", mode="redirect", to=ingest.path(two))

    circle = await ingest.withdraw("two", mode="redirect", to=one["url"])
    itself = await ingest.withdraw("two", mode="redirect", to=ingest.path(two))

    assert (circle.status_code, itself.status_code) == (422, 422)
    assert circle.json()["errors"][0]["pointer"] == "/to"
    assert (await ingest.get("/v1/items/press/two"))["state"] == "published"


async def test_an_item_keeps_the_month_of_its_address_when_the_time_zone_changes(
    redis: Redis, settings: Settings
) -> None:
    at_the_turn = "2026-04-30T23:30:00+04:00"
    async with running_ingest(settings, redis) as ingest:
        before = await ingest.put("a", an_item(published_at=at_the_turn, slug="quay"))
    site_file = settings.site_file
    site_file.write_text(site_file.read_text().replace("Asia/Baku", "Asia/Tokyo"))

    async with running_ingest(settings, redis) as ingest:
        revised = await ingest.put("a", an_item(published_at=at_the_turn, slug="quay", title="Another title"))
        redated = await ingest.put("a", an_item(published_at="2026-04-30T23:31:00+04:00", slug="quay"))

    assert (revised["url"], ingest.path(redated)) == (before["url"], "/en/news/2026/05/quay/")
