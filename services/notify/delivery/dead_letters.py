"""The deliveries that were given up: the store keeps them as long as the log, so that they can be replayed."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from redis.asyncio import Redis

from services.notify.model.delivery import Delivery, subscription_of
from services.notify.subscriptions.store import SubscriptionStore
from shared.model.ids import DeliveryId, EventId, LogId, SubscriptionId
from shared.model.stream_id import StreamId
from shared.store.keys import Shard

_SCANNED_AT_ONCE = 500


@dataclass(frozen=True)
class DeadDelivery:
    """A delivery that was given up, with its last attempt."""

    letter_id: str
    """The id of its entry in the shard's stream: it tells when the delivery was given up."""
    shard: int
    subscription_id: SubscriptionId
    delivery: Delivery
    last_attempt: dict[str, Any]  # Any: values of JSON

    @property
    def place(self) -> tuple[int, int, int]:
        """Its place among the dead letters of all shards."""
        return *StreamId.parse(self.letter_id), self.shard

    @property
    def given_up_at(self) -> datetime:
        return StreamId.parse(self.letter_id).at

    @property
    def cursor(self) -> str:
        return f"{self.letter_id}-{self.shard}"

    def renewed(self, now_ms: int) -> Delivery:
        """Return the delivery, under the same id, as it was before its first attempt."""
        return replace(self.delivery, attempts=0, enqueued_ms=now_ms)


@dataclass(frozen=True)
class DeadPage:
    """Dead letters, the newest first, and the cursor of the next page."""

    letters: tuple[DeadDelivery, ...]
    next: str | None


class DeadDeliveries:
    """Reads and removes the dead letters that settle.lua adds."""

    def __init__(self, redis: Redis, store: SubscriptionStore) -> None:
        self._redis = redis
        self._store = store

    async def newest(self, subscriptions: "set[SubscriptionId] | None", cursor: str | None, limit: int) -> DeadPage:
        """Return a page of the dead letters of these subscriptions, or of all subscriptions."""
        found = [
            letter
            for mirror in self._store.mirrors
            for letter in await self._newest_of(mirror.shard, subscriptions, cursor, limit + 1)
        ]
        found.sort(key=lambda letter: letter.place, reverse=True)
        page = found[:limit]
        return DeadPage(tuple(page), page[-1].cursor if len(found) > limit else None)

    async def find(self, delivery_id: DeliveryId) -> "Sequence[DeadDelivery]":
        """Return the dead letters of one delivery: several if it was replayed and given up again."""
        subscription_id = subscription_of(delivery_id)
        shard = self._store.shard_of(subscription_id)
        return [one async for one in self._all(shard) if one.delivery.id == delivery_id]

    async def forget(self, letters: "Sequence[DeadDelivery]") -> None:
        """Remove dead letters, because their deliveries are made again."""
        for letter in letters:
            await self._redis.xdel(Shard(letter.shard).dead_letters, letter.letter_id)

    async def forget_events(self, shard: Shard, events: "frozenset[EventId]") -> int:
        """Remove the dead letters of these events and return how many there were."""
        letters = [one async for one in self._all(shard) if one.delivery.event_id in events]
        await self.forget(letters)
        return len(letters)

    async def after(self, shard: Shard, letter_id: str, count: int) -> "tuple[Sequence[DeadDelivery], str | None]":
        """Return the dead letters in the `count` entries behind `letter_id`, and the id of the last entry."""
        entries = await self._redis.xrange(shard.dead_letters, min=f"({letter_id}", count=count)
        return _letters(shard, entries), _id(entries[-1]) if entries else None

    async def _newest_of(
        self, shard: Shard, subscriptions: "set[SubscriptionId] | None", cursor: str | None, limit: int
    ) -> "list[DeadDelivery]":
        found: list[DeadDelivery] = []
        async for one in self._all(shard, _place_in(shard, cursor), newest_first=True):
            if len(found) == limit:
                break
            if subscriptions is None or one.subscription_id in subscriptions:
                found.append(one)
        return found

    async def _all(self, shard: Shard, place: str = "-", *, newest_first: bool = False) -> AsyncIterator[DeadDelivery]:
        stream = shard.dead_letters
        while entries := await (
            self._redis.xrevrange(stream, max=place, count=_SCANNED_AT_ONCE)
            if newest_first
            else self._redis.xrange(stream, min=place, count=_SCANNED_AT_ONCE)
        ):
            for letter in _letters(shard, entries):
                yield letter
            place = f"({_id(entries[-1])}"


def _place_in(shard: Shard, cursor: str | None) -> str:
    """Return where a page begins in this shard: entries of several shards may have the same id."""
    if cursor is None:
        return "+"
    letter_id, _, number = cursor.rpartition("-")
    return letter_id if shard.number < int(number) else f"({letter_id}"


def _letters(shard: Shard, entries: Any) -> "list[DeadDelivery]":  # Any: entries of redis-py
    return [
        DeadDelivery(
            letter_id,
            shard.number,
            SubscriptionId(fields["subscription"]),
            Delivery.from_json(DeliveryId(fields["delivery"]), fields["state"]),
            json.loads(fields["attempt"]),
        )
        for letter_id, fields in entries
    ]


def _id(entry: Any) -> LogId:  # Any: an entry of redis-py
    return LogId(str(entry[0]))
