"""The subscriptions in the store, and a versioned mirror of them in memory."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from redis.asyncio import Redis

from services.notify.model.filter import Listener
from services.notify.model.log_position import Cursor
from services.notify.model.subscription import Subscription, shard_number
from shared.model.errors import ClarionError, NotFound, Unavailable
from shared.model.ids import LogId, SubscriptionId
from shared.model.stream_id import StreamId
from shared.store import keys
from shared.store.keys import Shard
from shared.store.scripts import Script

# A mirror that is more changes behind reads its whole shard again.
CHANGES_REMEMBERED = 1000
# How often a compare-and-set is tried before the caller is refused.
_MAX_TRIES = 50
_SCAN_AT_ONCE = 500

Change = Callable[[Subscription, Cursor], Subscription]
"""Returns the changed subscription, given its shard's cursor. It may raise Refused."""


class WrongShardCount(ClarionError):
    """CLARION_SHARDS differs from the number of shards in the store."""


async def settle_shard_count(redis: Redis, wanted: int) -> int:
    """Fix the number of shards at the first start; refuse any other later, because subscriptions would be lost."""
    await redis.set(keys.SHARDS, wanted, nx=True)
    fixed = int(await redis.get(keys.SHARDS) or wanted)
    if fixed != wanted:
        raise WrongShardCount(
            f"the store holds {fixed} delivery shards and CLARION_SHARDS asks for {wanted}: "
            f"set CLARION_SHARDS={fixed}; the number is fixed at the first start"
        )
    return fixed


@dataclass
class ShardMirror:
    """The subscriptions of one shard as they were at `version`."""

    shard: Shard
    version: int = -1
    subscriptions: dict[SubscriptionId, Subscription] = field(default_factory=dict)
    _listeners: dict[SubscriptionId, Listener] = field(default_factory=dict)
    _live: list[Listener] | None = None
    _catching_up: list[SubscriptionId] | None = None
    refreshing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def live_listeners(self) -> Sequence[Listener]:
        """The listeners of the live fan-out, by id."""
        if self._live is None:
            self._live = [self.listener(one) for _, one in sorted(self.subscriptions.items()) if one.is_live]
        return self._live

    @property
    def catching_up(self) -> Sequence[SubscriptionId]:
        if self._catching_up is None:
            self._catching_up = [one.id for one in self.subscriptions.values() if one.is_catching_up]
        return self._catching_up

    def listener(self, subscription: Subscription) -> Listener:
        if subscription.id not in self._listeners:
            self._listeners[subscription.id] = Listener.of(subscription)
        return self._listeners[subscription.id]

    def take(self, subscription_id: SubscriptionId, record: str | None) -> None:
        """Replace one subscription by its present record; None removes it."""
        self._live = self._catching_up = None
        self._listeners.pop(subscription_id, None)
        if record is None:
            self.subscriptions.pop(subscription_id, None)
        else:
            self.subscriptions[subscription_id] = Subscription.model_validate_json(record)

    def take_all(self, records: dict[SubscriptionId, str]) -> None:
        """Replace all subscriptions by their present records."""
        for gone in self.subscriptions.keys() - records.keys():
            self.take(gone, None)
        for subscription_id, record in records.items():
            self.take(subscription_id, record)


class SubscriptionStore:
    """Reads and writes subscriptions. Every change raises its shard's version, which makes older mirrors stale."""

    def __init__(self, redis: Redis, shards: int) -> None:
        self._redis = redis
        self.mirrors = tuple(ShardMirror(Shard(number)) for number in range(shards))
        self._save = Script(redis, __name__, "save_subscription.lua")
        self._delete = Script(redis, __name__, "delete_subscription.lua")

    def mirror_of(self, subscription_id: SubscriptionId) -> ShardMirror:
        return self.mirrors[shard_number(subscription_id, len(self.mirrors))]

    def shard_of(self, subscription_id: SubscriptionId) -> Shard:
        return self.mirror_of(subscription_id).shard

    async def refresh_all(self) -> None:
        """Bring every mirror up to date, in one round trip as long as nothing has changed."""
        pipeline = self._redis.pipeline(transaction=False)
        for mirror in self.mirrors:
            pipeline.get(mirror.shard.version)
        versions = await pipeline.execute()
        for mirror, version in zip(self.mirrors, versions, strict=True):
            if int(version or 0) != mirror.version:
                await self.refresh(mirror)

    async def refresh(self, mirror: ShardMirror) -> ShardMirror:
        """Bring the mirror up to date and return it."""
        async with mirror.refreshing:
            # The version is read first: a change in between is read twice, never missed.
            version = int(await self._redis.get(mirror.shard.version) or 0)
            if mirror.version >= 0 and 0 <= version - mirror.version <= CHANGES_REMEMBERED:
                await self._read_changes(mirror, version)
            else:
                await self._read_all(mirror)
            mirror.version = version
        return mirror

    async def _read_all(self, mirror: ShardMirror) -> None:
        records = {}
        async for subscription_id, record in self._redis.hscan_iter(mirror.shard.subscriptions, count=_SCAN_AT_ONCE):
            records[SubscriptionId(subscription_id)] = record
        mirror.take_all(records)

    async def _read_changes(self, mirror: ShardMirror, version: int) -> None:
        if version == mirror.version:
            return
        changed = await self._redis.zrange(
            mirror.shard.changes, f"({mirror.version}", "+inf", byscore=True, offset=0, num=CHANGES_REMEMBERED
        )
        ids = [SubscriptionId(str(one)) for one in changed]
        records = await self._redis.hmget(mirror.shard.subscriptions, ids) if ids else []
        for subscription_id, record in zip(ids, records, strict=True):
            mirror.take(subscription_id, None if record is None else str(record))

    async def add(self, subscription: Subscription) -> None:
        """Store a new subscription. Every event that is announced after this returns is for it."""
        if not await self._write(subscription, seen="", cursor=None):
            raise Unavailable(f"the id {subscription.id} is taken: ask again")

    async def find(self, subscription_id: SubscriptionId) -> Subscription:
        """Return the subscription. Raises NotFound."""
        return Subscription.model_validate_json(await self._record(subscription_id))

    async def change(self, subscription_id: SubscriptionId, change: Change) -> Subscription:
        """Change the subscription by compare-and-set, and return the changed one."""
        for _ in range(_MAX_TRIES):
            record = await self._record(subscription_id)
            cursor = await self.cursor(self.shard_of(subscription_id))
            before = Subscription.model_validate_json(record)
            after = change(before, cursor)
            if after == before:
                return before
            # A place in the log was taken from the cursor, so the cursor must not have moved.
            depends = cursor if after.resume_from != before.resume_from else None
            if await self._write(after, seen=record, cursor=depends):
                return after
        raise Unavailable(f"{subscription_id} is being changed by others all the time: ask again")

    async def delete(self, subscription_id: SubscriptionId) -> None:
        """Forget the subscription and its queue. Raises NotFound."""
        shard = self.shard_of(subscription_id)
        deleted = await self._delete(
            [
                *(shard.subscriptions, shard.version, shard.changes, shard.due),
                *(shard.ready(subscription_id), shard.later(subscription_id), shard.leased(subscription_id)),
                *(shard.deliveries(subscription_id), shard.endpoint(subscription_id), shard.attempts(subscription_id)),
            ],
            {"subscription": subscription_id, "changes_kept": CHANGES_REMEMBERED},
        )
        if not deleted:
            raise _no_such(subscription_id)

    async def cursor(self, shard: Shard) -> Cursor:
        """Return the shard's cursor."""
        passed, within, upto = await self._redis.hmget(shard.cursor, "passed", "within", "upto")
        if not passed:
            return Cursor()
        return Cursor(
            LogId(str(passed)),
            LogId(str(within)) if within else None,
            SubscriptionId(str(upto)) if upto else None,
        )

    async def passed_by_all(self) -> LogId | None:
        """Return the last entry of the log that every shard has passed; None while one has not begun."""
        cursors = [await self.cursor(mirror.shard) for mirror in self.mirrors]
        return min((cursor.passed for cursor in cursors), key=StreamId.parse)

    async def _record(self, subscription_id: SubscriptionId) -> str:
        record = await self._redis.hget(self.shard_of(subscription_id).subscriptions, subscription_id)
        if record is None:
            raise _no_such(subscription_id)
        return str(record)

    async def _write(self, subscription: Subscription, seen: str, cursor: Cursor | None) -> bool:
        shard = self.shard_of(subscription.id)
        argument: dict[str, object] = {
            "subscription": subscription.id,
            "seen": seen,
            "record": subscription.model_dump_json(),
            "changes_kept": CHANGES_REMEMBERED,
        }
        if cursor is not None:
            argument["cursor"] = cursor_fields(cursor)
        written = await self._save(
            [shard.subscriptions, shard.version, shard.changes, shard.cursor, shard.due], argument
        )
        return bool(written)


def cursor_fields(cursor: Cursor) -> tuple[str, str, str]:
    """Return the cursor as its hash has it; all empty for a cursor that was never written."""
    passed = "" if cursor == Cursor() else cursor.passed
    return passed, cursor.within or "", cursor.upto or ""


def _no_such(subscription_id: SubscriptionId) -> NotFound:
    return NotFound(f'there is no subscription "{subscription_id}"')
