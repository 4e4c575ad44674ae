"""Events that were given up, and their way back."""

from redis.asyncio import Redis
from redis.typing import EncodableT

from shared.store import keys
from shared.store.dead_letters import DeadLetters

GROUP = "render"


async def a_pending_entry(redis: Redis, fields: dict[EncodableT, EncodableT]) -> str:
    """Write an entry of `items`, let somebody take it, and return its id."""
    await redis.xgroup_create(keys.ITEMS_STREAM, GROUP, id="0", mkstream=True)
    entry_id = str(await redis.xadd(keys.ITEMS_STREAM, fields))
    await redis.xreadgroup(GROUP, "somebody", {keys.ITEMS_STREAM: ">"})
    return entry_id


async def test_a_buried_event_is_listed_with_its_reason(redis: Redis) -> None:
    letters = DeadLetters(redis)
    entry_id = await a_pending_entry(redis, {"id": "x-1", "type": "item.published.v1"})

    await letters.bury(keys.ITEMS_STREAM, GROUP, entry_id, "it broke")
    await letters.bury(keys.ITEMS_STREAM, GROUP, entry_id, "it broke again")

    (letter,) = await letters.newest(10)
    assert (letter.event_id, letter.event_type, letter.reason) == ("x-1", "item.published.v1", "it broke")
    assert letter.entry == entry_id
    assert letter.may_be_replayed


async def test_a_replayed_event_is_an_entry_again_and_a_letter_no_more(redis: Redis) -> None:
    letters = DeadLetters(redis)
    entry_id = await a_pending_entry(redis, {"id": "x-1", "type": "item.published.v1"})
    await letters.bury(keys.ITEMS_STREAM, GROUP, entry_id, "it broke")
    (letter,) = await letters.newest(10)

    answers = [await letters.replay(letter.id), await letters.replay(letter.id)]

    assert answers == [True, False]
    assert await letters.newest(10) == []
    entries = await redis.xrange(keys.ITEMS_STREAM)
    first = {"id": "x-1", "type": "item.published.v1"}
    assert [fields for _, fields in entries or ()] == [first, first | {"replay": "1"}]


async def test_an_entry_of_the_public_log_is_never_replayed(redis: Redis) -> None:
    letters = DeadLetters(redis)
    letter: dict[EncodableT, EncodableT] = {"stream": keys.PAGES_STREAM, "entry": "5-0", "reason": "it broke"}
    letter_id = str(await redis.xadd(keys.DEAD_LETTERS, {**letter, "id": "x-1", "type": "item.published.v1"}))

    replayed = await letters.replay(letter_id)

    (kept,) = await letters.newest(10)
    assert not replayed
    assert (kept.event_id, kept.may_be_replayed) == ("x-1", False)
    assert await redis.exists(keys.PAGES_STREAM, keys.ITEMS_STREAM) == 0
