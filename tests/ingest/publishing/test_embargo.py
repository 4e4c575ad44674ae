"""Embargoes: held back until the store's clock says so, released once, moved, given up."""

import asyncio
from datetime import datetime, timedelta

import pytest
from redis.asyncio import Redis

from services.ingest.contract.item_body import ItemBody
from services.ingest.publishing.publisher import Publisher
from services.ingest.publishing.rules import Actor
from services.ingest.publishing.scheduler import Scheduler
from shared.model.clock import store_now, to_ms
from shared.model.ids import item_id
from shared.model.items import Withdrawal
from shared.model.listings import Listing
from shared.model.site_file import load_site
from shared.runtime.background import background
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.item_store import ItemStore
from shared.store.item_writer import ItemWriter
from tests.factories import an_item
from tests.ingest_service import Ingest, running_ingest
from tests.store_contents import newest, store_contents
from tests.waiting import eventually

FAR = "2999-01-01T00:00:00Z"
HOME = Listing("en", "home")


async def soon(ingest: Ingest, milliseconds: int = 400) -> str:
    return (await store_now(ingest.redis) + timedelta(milliseconds=milliseconds)).isoformat()


async def released(ingest: Ingest, external_id: str = "a") -> dict[str, str]:
    """Wait for the item's release and return its event."""

    async def is_out() -> bool:
        found = await ingest.get(f"/v1/items/press/{external_id}")
        return "scheduled" not in found and found["state"] == "published"

    await eventually(is_out, "the release")
    return (await ingest.events())[-1]


def a_scheduler(ingest: Ingest) -> Scheduler:
    """Return the scheduler of another replica."""
    writer = ItemWriter(ingest.redis)
    return Scheduler(ingest.redis, Publisher(ingest.store, writer, ingest.site, ingest.settings.base_url))


async def _is_empty(ingest: Ingest, key: str) -> bool:
    return not await ingest.redis.exists(key)


async def test_a_scheduled_item_reserves_nothing_and_emits_nothing(ingest: Ingest) -> None:
    receipt = await ingest.put("a", an_item(publish_at=FAR, slug="quay", tags=["sea"], translation_set="opening"))
    contents = await store_contents(ingest.redis)
    # The record of the site file may be there; neither it nor the number of the layout belongs to an item.
    for name in (keys.SITE_RECORD, keys.FORMAT):
        contents.pop(name, None)
    same_address = await ingest.put("b", an_item(slug="quay", translation_set="opening"))

    item = receipt["id"]
    assert (receipt["state"], receipt["event_id"]) == ("scheduled", None)
    assert set(contents) == {keys.item(item), keys.revisions(item), keys.SCHEDULED, keys.AUDIT}
    assert keys.PATHS not in contents
    assert same_address["state"] == "published"


async def test_an_item_comes_out_at_its_moment_never_before(ingest: Ingest) -> None:
    publish_at = await soon(ingest)

    await ingest.put("a", an_item(publish_at=publish_at, published_at=...))
    event = await released(ingest)
    await ingest.render()

    moment = datetime.fromisoformat(publish_at)
    late = datetime.fromisoformat(event["occurred_at"]) - moment
    found = await ingest.get("/v1/items/press/a")
    assert timedelta() <= late
    assert event["type"] == "item.published.v1"
    assert datetime.fromisoformat(found["item"]["published_at"]) == moment
    assert await newest(ingest.redis, HOME) == [found["id"]]
    assert await ingest.redis.zcard(keys.SCHEDULED) == 0


async def test_a_moment_that_passed_while_everything_was_down_is_kept_up_with(settings: Settings, redis: Redis) -> None:
    async with running_ingest(settings, redis) as ingest:
        receipt = await ingest.put("a", an_item(publish_at=FAR))
    yesterday = to_ms(await store_now(redis) - timedelta(days=1))
    await redis.hset(keys.item(receipt["id"]), "publish_at", str(yesterday))
    await redis.zadd(keys.SCHEDULED, {receipt["id"]: yesterday})

    async with running_ingest(settings, redis) as ingest:
        await released(ingest)

        assert [event["revision"] for event in await ingest.events()] == ["1"]


async def test_three_schedulers_release_every_item_once_and_none_before_its_moment(ingest: Ingest) -> None:
    moment = await soon(ingest, 1500)
    receipts = [await ingest.put(f"n{number}", an_item(publish_at=moment, published_at=...)) for number in range(30)]

    async with background(*(a_scheduler(ingest).run() for _ in range(2))):

        async def are_out() -> bool:
            return len(await ingest.events()) >= len(receipts)

        await eventually(are_out, "the releases")
        await eventually(lambda: _is_empty(ingest, keys.SCHEDULED), "an empty schedule")

    await ingest.render()
    released_at = [(await ingest.store.get(receipt["id"])).released_at for receipt in receipts]  # type: ignore[union-attr]
    assert sorted(event["item_id"] for event in await ingest.events()) == sorted(one["id"] for one in receipts)
    assert all(at is not None and at >= datetime.fromisoformat(moment) for at in released_at)


async def test_what_is_due_is_released_once_however_many_look_at_the_same_time(ingest: Ingest) -> None:
    for number in range(5):
        receipt = await ingest.put(f"n{number}", an_item(publish_at=FAR))
        await ingest.redis.hset(keys.item(receipt["id"]), "publish_at", "1000")
        await ingest.redis.zadd(keys.SCHEDULED, {receipt["id"]: 1000})

    await asyncio.gather(*(a_scheduler(ingest).release_due() for _ in range(6)))

    assert sorted(event["item_id"] for event in await ingest.events()) == sorted(
        [(await ingest.get(f"/v1/items/press/n{number}"))["id"] for number in range(5)]
    )


@pytest.mark.parametrize(
    ("in_milliseconds", "at_most"),
    [
        pytest.param(None, 100, id="nothing waits"),
        pytest.param(3_600_000, 100, id="the next moment is far"),
        pytest.param(60, 60, id="the next moment is near"),
    ],
)
async def test_a_scheduler_sleeps_no_longer_than_until_the_next_moment(
    redis: Redis, settings: Settings, in_milliseconds: int | None, at_most: int
) -> None:
    if in_milliseconds is not None:
        await redis.zadd(keys.SCHEDULED, {"waits": to_ms(await store_now(redis)) + in_milliseconds})
    site = load_site(settings.site_file)
    publisher = Publisher(ItemStore(redis), ItemWriter(redis), site, settings.base_url)

    wait = await Scheduler(redis, publisher).release_due()

    assert timedelta() < wait <= timedelta(milliseconds=at_most)


async def test_a_scheduled_revision_waits_beside_the_public_one(ingest: Ingest) -> None:
    first = await ingest.put("a", an_item())
    await ingest.render()

    receipt = await ingest.put("a", an_item(title="New title", publish_at=FAR))

    found = await ingest.get("/v1/items/press/a")
    listed = await ingest.get("/v1/items")
    assert (receipt["state"], receipt["revision"], receipt["url"]) == ("published", 2, first["url"])
    assert receipt["scheduled"] == {"revision": 2, "publish_at": FAR}
    assert found["item"]["title"] == "New title"
    assert [item["title"] for item in listed["items"]] == ["The harbour opens"]
    assert len(await ingest.events()) == 1


async def test_a_scheduled_revision_comes_out_as_a_revision(ingest: Ingest) -> None:
    await ingest.put("a", an_item())
    await ingest.put("a", an_item(title="New title", publish_at=await soon(ingest), update_type="minor"))

    event = await released(ingest)

    assert (event["type"], event["revision"], event["before"]) == ("item.revised.v1", "2", "1")
    assert event["update_type"] == "minor"


async def test_an_embargo_can_be_moved(ingest: Ingest) -> None:
    await ingest.put("a", an_item(publish_at=FAR))

    sooner = await soon(ingest)
    moved = await ingest.put("a", an_item(publish_at=sooner))
    event = await released(ingest)

    assert (moved["revision"], event["revision"]) == (2, "2")
    assert len(await ingest.events()) == 1


async def test_an_item_without_its_embargo_is_public_at_once(ingest: Ingest) -> None:
    await ingest.put("a", an_item(publish_at=FAR))

    receipt = await ingest.put("a", an_item())

    assert (receipt["state"], receipt["revision"]) == ("published", 2)
    assert await ingest.redis.zcard(keys.SCHEDULED) == 0


async def test_going_back_to_the_public_content_gives_up_what_waits_without_an_event(ingest: Ingest) -> None:
    await ingest.put("a", an_item())
    public = await ingest.http.get("/v1/items")
    await ingest.put("a", an_item(title="New title", publish_at=FAR))

    cancelled = await ingest.put("a", an_item())
    again = await ingest.put("a", an_item())

    assert (cancelled["revision"], cancelled["changed"], again["changed"]) == (3, True, False)
    assert "scheduled" not in cancelled
    assert await ingest.redis.zcard(keys.SCHEDULED) == 0
    assert len(await ingest.events()) == 1
    assert (await ingest.http.get("/v1/items")).headers["etag"] == public.headers["etag"]


async def test_withdrawing_what_was_never_public_emits_nothing(ingest: Ingest) -> None:
    await ingest.put("a", an_item(publish_at=FAR, slug="quay"))

    response = await ingest.withdraw("a")

    assert response.json()["state"] == "withdrawn"
    assert await ingest.events() == []
    assert await ingest.redis.hgetall(keys.PATHS) == {}
    assert await ingest.redis.zcard(keys.SCHEDULED) == 0


async def test_a_withdrawal_repeats_what_readers_saw_and_not_what_waits(ingest: Ingest) -> None:
    await ingest.put("a", an_item())
    await ingest.put("a", an_item(title="Secret title", publish_at=FAR))

    await ingest.withdraw("a")

    assert (await ingest.get("/v1/items/press/a"))["item"]["title"] == "The harbour opens"
    assert await ingest.redis.zcard(keys.SCHEDULED) == 0


async def test_a_released_item_whose_address_was_taken_meanwhile_gets_another(ingest: Ingest) -> None:
    await ingest.put("a", an_item(publish_at=await soon(ingest, 800), slug="quay", translation_set="opening"))
    taken = await ingest.put("b", an_item(slug="quay", translation_set="opening"))

    await released(ingest)

    found = await ingest.get("/v1/items/press/a")
    assert found["url"] == taken["url"].rstrip("/") + "-2/"
    assert found["item"]["translation_set"] is None
    assert await ingest.store.translations("opening") == {"en": taken["id"]}


@pytest.mark.parametrize("publish_at", ["2020-01-01T00:00:00Z", "2026-05-22T14:47:00+04:00"])
async def test_a_moment_that_is_past_holds_nothing_back(ingest: Ingest, publish_at: str) -> None:
    receipt = await ingest.put("a", an_item(publish_at=publish_at, published_at=...))

    assert receipt["state"] == "published"


@pytest.mark.parametrize(
    "taken_out",
    [
        pytest.param({"languages": ("en", "ar")}, id="a language"),
        pytest.param({"sections": ()}, id="a section"),
    ],
)
async def test_an_item_in_what_was_taken_out_is_held_until_the_site_has_it_again(
    redis: Redis, settings: Settings, taken_out: dict[str, object]
) -> None:
    site = load_site(settings.site_file)
    smaller = site.model_copy(update=taken_out)
    store = ItemStore(redis)
    with_all, without = (Publisher(store, ItemWriter(redis), one, settings.base_url) for one in (site, smaller))
    item = ItemBody.model_validate(an_item(lang="ru", publish_at=(await store_now(redis) + timedelta(seconds=0.2))))
    receipt = await with_all.publish("press", "a", item, Actor("test", "t"))

    async def is_held() -> bool:
        await Scheduler(redis, without).release_due()
        return await redis.zrange(keys.HELD, 0, -1) == [receipt.id]

    await eventually(is_held, "the holding")

    assert await redis.zcard(keys.SCHEDULED) == 0
    assert [item.external_id for item, _ in await store.held()] == ["a"]
    assert await redis.xlen(keys.ITEMS_STREAM) == 0
    await without.take_back_held()
    assert await redis.zcard(keys.HELD) == 1
    await with_all.take_back_held()
    await Scheduler(redis, with_all).release_due()
    assert await redis.zcard(keys.HELD) == 0
    assert await redis.xlen(keys.ITEMS_STREAM) == 1


async def test_what_is_cancelled_while_it_is_held_is_held_no_longer(redis: Redis, settings: Settings) -> None:
    site = load_site(settings.site_file)
    store = ItemStore(redis)
    publisher = Publisher(store, ItemWriter(redis), site, settings.base_url)
    await publisher.publish("press", "a", ItemBody.model_validate(an_item(publish_at=FAR)), Actor("test", "t"))
    found = await store.get(item_id("press", "a"))
    assert found is not None
    await store.hold(found)

    await publisher.withdraw("press", "a", Withdrawal(mode="gone"), Actor("test", "t"))
    await publisher.take_back_held()

    assert await redis.zcard(keys.HELD) == 0
    assert await redis.zcard(keys.SCHEDULED) == 0


async def test_a_released_item_stays_out_and_takes_revisions_when_the_clock_is_set_back(ingest: Ingest) -> None:
    item = (await ingest.put("a", an_item(publish_at=await soon(ingest, 100), published_at=...)))["id"]
    await released(ingest)
    events = len(await ingest.events())

    # The store's clock is set back by an hour: what the item keeps is an hour ahead.
    await ingest.redis.hincrby(keys.item(item), "accepted_at", 3_600_000)
    await a_scheduler(ingest).release_due()
    before = await ingest.store.get(item)
    receipt = await ingest.put("a", an_item(title="Better", published_at=...))
    after = await ingest.store.get(item)

    assert before is not None
    assert after is not None
    assert receipt["state"] == "published"
    assert after.accepted_at > before.accepted_at
    assert len(await ingest.events()) == events + 1


async def test_a_revision_that_waits_is_held_until_its_moment_when_the_clock_is_set_back(ingest: Ingest) -> None:
    item = (await ingest.put("a", an_item(publish_at=await soon(ingest, 3_600_000), published_at=...)))["id"]

    # The scheduler saw the moment as due, and then the clock was set back.
    await ingest.redis.zadd(keys.SCHEDULED, {item: to_ms(await store_now(ingest.redis))})
    await a_scheduler(ingest).release_due()

    assert await ingest.events() == []
    found = await ingest.store.get(item)
    assert found is not None
    assert found.state == "scheduled"
