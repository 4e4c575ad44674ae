"""The doorbell of the log, when an entry of it cannot be handled."""

from redis.asyncio import Redis

from services.notify.delivery.log_consumer import GROUP, LogConsumer
from services.notify.delivery.shard_advance import ShardAdvance
from services.notify.log.event_log import EventLog
from services.notify.subscriptions.store import SubscriptionStore
from shared.store import keys
from shared.store.dead_letters import DeadLetters
from shared.store.streams import Entry


async def test_an_entry_given_up_is_one_dead_letter_and_no_longer_pending(redis: Redis) -> None:
    fields = {"id": "item-1", "type": "item.published.v1"}
    await redis.xgroup_create(keys.PAGES_STREAM, GROUP, id="0", mkstream=True)
    added = await redis.xadd(keys.PAGES_STREAM, dict(fields.items()))
    entry = Entry(str(added), fields)
    await redis.xreadgroup(GROUP, "someone", {keys.PAGES_STREAM: ">"})
    store, event_log = SubscriptionStore(redis, 8), EventLog(redis)
    consumer = LogConsumer(redis, store, event_log, ShardAdvance(redis, store, event_log), lambda: None)

    await consumer.bury(entry, "it broke")
    await consumer.bury(entry, "it broke")

    (letter,) = await DeadLetters(redis).newest(10)
    assert (letter.stream, letter.entry, letter.reason) == (keys.PAGES_STREAM, entry.id, "it broke")
    assert (letter.event_id, letter.event_type) == ("item-1", "item.published.v1")
    assert await redis.xpending_range(keys.PAGES_STREAM, GROUP, "-", "+", 10) == []
