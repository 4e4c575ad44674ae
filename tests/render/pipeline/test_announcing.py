"""Announcing: every event once, each item's in the order of its revisions, whoever renders and however often."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis

from services.render.pipeline.announcing import Announcement, Announcer, announced_event
from shared.model.events import AnnouncedEvent, ItemEvent
from shared.model.items import Withdrawal
from shared.model.listings import Listing
from shared.store import keys
from shared.store.dead_letters import DeadLetters
from shared.store.receipts import read_receipt
from shared.store.streams import Entry
from tests.render.newsroom import Press
from tests.render.presentation_samples import an_item


async def announcements(press: Press, count: int) -> list[Announcement]:
    """Publish an item so many times and return what is to be announced of it, in order."""
    for number in range(count):
        await press.newsroom.publish("a", title=f"Title {number}")
    return [_told(entry) for entry in await press.take()]


def _told(entry: Entry) -> Announcement:
    event = ItemEvent.from_fields(entry.fields)
    told = AnnouncedEvent(event.id, event.type, event.occurred_at.isoformat(), event.trace_id, "{}", ())
    return Announcement(entry, event, told)


async def revisions_announced(press: Press) -> list[int]:
    return [int(event.rpartition("-")[2]) for _, event in await press.announced()]


@pytest.mark.parametrize(
    "order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (1, 0, 2)], ids=lambda order: "-".join(str(place + 1) for place in order)
)
async def test_revisions_are_announced_in_order_however_they_come(press: Press, order: tuple[int, ...]) -> None:
    three = await announcements(press, 3)
    announcer = Announcer(press.redis)

    for place in order:
        await announcer.announce([three[place]])

    assert await revisions_announced(press) == [1, 2, 3]
    assert (await press.redis.xpending(keys.ITEMS_STREAM, keys.RENDER_GROUP))["pending"] == 0


async def test_a_batch_announces_its_revisions_in_order(press: Press) -> None:
    three = await announcements(press, 3)

    assert await Announcer(press.redis).announce(three[::-1]) == 3

    assert await revisions_announced(press) == [1, 2, 3]


async def test_announcing_again_after_a_lost_reply_changes_nothing(press: Press) -> None:
    both = await announcements(press, 2)
    announcer = Announcer(press.redis)
    await announcer.announce(both)

    assert await announcer.announce(both) == 0

    assert await revisions_announced(press) == [1, 2]


async def test_two_replicas_that_announce_the_same_event_announce_it_once(press: Press, redis: Redis) -> None:
    many = await announcements(press, 20)
    one, other = Announcer(press.redis), Announcer(redis)

    await asyncio.gather(*(announcer.announce([event]) for event in many for announcer in (one, other)))

    assert await revisions_announced(press) == list(range(1, 21))


async def test_a_revision_that_was_given_up_holds_back_none_after_it(press: Press) -> None:
    first, second, third = await announcements(press, 3)
    announcer = Announcer(press.redis)

    await announcer.announce([third])
    await announcer.announce([Announcement(second.entry, second.event, None, "broken")])
    await announcer.announce([first])

    assert await revisions_announced(press) == [1, 3]
    (letter,) = await press.dead_letters()
    assert letter["reason"] == "broken"
    assert letter["entry"] == second.entry.id


async def test_a_buried_event_that_is_replayed_is_announced_though_its_turn_has_passed(press: Press) -> None:
    first, second = await announcements(press, 2)
    announcer = Announcer(press.redis)
    await announcer.announce([Announcement(first.entry, first.event, None, "broken"), second])

    await replay_every_letter(press)
    await announcer.announce([_told(entry) for entry in await press.take()])

    assert await revisions_announced(press) == [2, 1]


async def test_a_lost_consumer_group_repeats_no_announcement_burial_or_receipt(press: Press) -> None:
    first, second, third = await announcements(press, 3)
    announcer = Announcer(press.redis)
    await announcer.announce([first, Announcement(second.entry, second.event, None, "broken"), third])
    receipt = await read_receipt(press.redis, first.event.item_id, 1)

    again = await take_all_again(press)
    assert [one.event.revision for one in again] == [1, 2, 3]
    assert await announcer.announce([again[2], Announcement(again[1].entry, again[1].event, None, "broken")]) == 0
    assert await announcer.announce([again[0]]) == 0

    assert await revisions_announced(press) == [1, 3]
    assert len(await press.dead_letters()) == 1
    assert await read_receipt(press.redis, first.event.item_id, 1) == receipt
    assert (await press.redis.xpending(keys.ITEMS_STREAM, keys.RENDER_GROUP))["pending"] == 0


async def test_a_lost_consumer_group_announces_what_nobody_had_announced(press: Press) -> None:
    first, _, third = await announcements(press, 3)
    announcer = Announcer(press.redis)
    await announcer.announce([first, third])

    await announcer.announce(await take_all_again(press))

    assert await revisions_announced(press) == [1, 2, 3]


async def test_a_lost_consumer_group_repeats_no_replay(press: Press) -> None:
    (only,) = await announcements(press, 1)
    announcer = Announcer(press.redis)
    await announcer.announce([Announcement(only.entry, only.event, None, "broken")])
    await replay_every_letter(press)
    await announcer.announce([_told(entry) for entry in await press.take()])
    assert await revisions_announced(press) == [1]

    await announcer.announce(await take_all_again(press))

    assert await revisions_announced(press) == [1]


async def replay_every_letter(press: Press) -> None:
    letters = DeadLetters(press.redis)
    for letter in await letters.newest(10):
        assert await letters.replay(letter.id)


async def take_all_again(press: Press) -> list[Announcement]:
    """Lose the consumer group, make it anew at the first entry, and take everything that is there."""
    await press.redis.xgroup_destroy(keys.ITEMS_STREAM, keys.RENDER_GROUP)
    await press.redis.xgroup_create(keys.ITEMS_STREAM, keys.RENDER_GROUP, id="0")
    return [_told(entry) for entry in await press.take()]


async def test_a_revision_that_waits_for_an_earlier_one_has_a_receipt_without_a_place_in_the_log(press: Press) -> None:
    first, second = await announcements(press, 2)
    announcer = Announcer(press.redis)
    item_id = second.event.item_id
    await announcer.announce([second])
    waiting = await read_receipt(press.redis, item_id, 2)

    await announcer.announce([first])

    told = await read_receipt(press.redis, item_id, 2)
    assert waiting is not None
    assert waiting.log_id is None
    log: Any = await press.redis.xrange(keys.PAGES_STREAM)  # Any: redis-py's reply
    assert told == replace(waiting, log_id=log[1][0])


def test_what_is_told_of_an_erasure_names_the_item_by_its_identity_alone() -> None:
    item = an_item(title="", withdrawal=Withdrawal(mode="gone"), translation_set="quay", path="/en/news/2023/07/quay/")

    told = announced_event(
        _event(item.item.id, type="item.withdrawn.v1"), item.revision, (), ("press", "1"), "https://press.example.org"
    )

    assert "quay" not in told.body
    assert json.loads(told.body)["data"]["url"] == "https://press.example.org/v1/items/press/1"


def test_what_is_told_names_the_item_its_page_and_every_feed() -> None:
    item = an_item(tags=("sea",), summary="Short.")
    listings = [Listing("en", "home"), Listing("en", "tag", "sea")]

    told = announced_event(_event(item.item.id), item.revision, listings, ("press", "1"), "https://press.example.org")

    body = json.loads(told.body)
    assert body["type"] == "item.published.v1"
    assert body["data"]["url"] == "https://press.example.org/en/news/2023/07/item-1/"
    assert body["data"]["item"]["summary"] == "Short."
    assert body["data"]["feeds"] == [f"https://press.example.org{path}" for path in told.feeds]
    assert set(told.feeds) == {
        f"/en/{place}feed.{one}" for place in ("", "tags/sea/") for one in ("rss", "atom", "json")
    }


def test_a_minor_revision_tells_of_feeds_only() -> None:
    item = an_item()

    told = announced_event(
        _event(item.item.id, type="item.revised.v1", update_type="minor"),
        item.revision,
        [Listing("en", "home")],
        ("press", "1"),
        "",
    )

    assert told.type == "feeds.changed.v1"
    assert told.body == ""
    assert told.feeds


def test_a_body_stays_below_the_limit_of_standard_webhooks() -> None:
    item = an_item(summary="ы" * 9_000, change_note="ы" * 3_000)

    told = announced_event(
        _event(item.item.id), item.revision, [Listing("en", "home")], ("press", "1"), "https://a.example"
    )

    assert len(told.body.encode()) < 20_000
    assert json.loads(told.body)["data"]["item"]["change_note"] == "ы" * 3_000


def _event(item_id: str, **changes: object) -> ItemEvent:
    fields = {
        "id": f"{item_id}-1",
        "type": "item.published.v1",
        "occurred_at": "2026-05-22T10:47:00Z",
        "trace_id": "test",
        "item_id": item_id,
        "revision": 1,
        "before": 0,
        "previous": 0,
    }
    return ItemEvent.model_validate(fields | changes)
