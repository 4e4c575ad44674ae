"""Idempotency-Key: a POST sent twice is answered twice and done once, for 24 hours."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from redis.asyncio import Redis

from shared.model.errors import Invalid, Refused
from shared.model.ids import ItemId
from shared.store import keys

_KEPT_SECONDS = 24 * 3600
_MAX_CHARS = 255


@dataclass(frozen=True)
class KeptAnswer:
    """An answer as it was given first, to be given again."""

    status: int
    content: dict[str, object]
    etag: str


class IdempotencyKeys:
    """The first answer under each Idempotency-Key of each API key."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def once(self, api_key: str, name: str, body: bytes, act: Callable[[], Awaitable[KeptAnswer]]) -> KeptAnswer:
        """
        Return the answer that was given under this name before, or act and keep the answer.

        Publishing is idempotent by itself, so two concurrent requests need no lock: the name only fixes the body and
        keeps the first answer. Raises Invalid for another body under the same name.
        """
        if not 0 < len(name) <= _MAX_CHARS:
            raise Invalid(f"an Idempotency-Key has {_MAX_CHARS} characters at most")
        key = keys.idempotency(api_key, hashlib.sha256(name.encode()).hexdigest())
        body_hash = hashlib.sha256(body).hexdigest()
        is_new = await self._redis.set(key, json.dumps({"body": body_hash}), nx=True, ex=_KEPT_SECONDS)
        kept = json.loads(await self._redis.get(key) or "{}") if not is_new else {}
        if kept.get("body", body_hash) != body_hash:
            raise Invalid("this Idempotency-Key came with another body before: use a new one for a new request")
        if "status" in kept:
            return KeptAnswer(kept["status"], kept["content"], kept["etag"])
        try:
            answered = await act()
        except Refused:
            # A refused request changed nothing: a corrected body may come under the same name.
            await self._redis.delete(key)
            raise
        kept = {"body": body_hash, "status": answered.status, "content": answered.content, "etag": answered.etag}
        async with self._redis.pipeline(transaction=True) as together:
            together.set(key, json.dumps(kept), ex=_KEPT_SECONDS)
            index = keys.idempotency_of(ItemId(str(answered.content["id"])))
            together.sadd(index, key)
            together.expire(index, _KEPT_SECONDS)
            await together.execute()
        return answered

    async def forget(self, item: ItemId) -> None:
        """Forget every answer about an item: the same request is then a new one."""
        index = keys.idempotency_of(item)
        await self._redis.delete(index, *(str(name) for name in await self._redis.smembers(index)))
