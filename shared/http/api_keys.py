"""API keys: who may do what, for which sources."""

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict
from redis.asyncio import Redis

from shared.model.errors import Forbidden, Unauthorized
from shared.runtime.settings import Settings
from shared.store import keys

if TYPE_CHECKING:
    # `clarion keys` is imported by every command: without FastAPI each starts 150 ms faster.
    from fastapi import Request

Scope = Literal["items:write", "items:read", "subscriptions:write", "admin"]
SCOPES: tuple[Scope, ...] = ("items:write", "items:read", "subscriptions:write", "admin")


class ApiKey(BaseModel):
    """The rights of a key. An empty `sources` opens no source; `admin` opens everything."""

    model_config = ConfigDict(frozen=True)

    name: str
    scopes: frozenset[Scope]
    sources: frozenset[str] = frozenset()

    @property
    def is_admin(self) -> bool:
        return "admin" in self.scopes

    def require_scope(self, scope: Scope) -> None:
        """Raise Forbidden unless the key has the scope."""
        if not self.is_admin and scope not in self.scopes:
            raise Forbidden(f'the key "{self.name}" lacks the scope {scope}')

    def require_source(self, source: str) -> None:
        """Raise Forbidden unless the key opens the source."""
        if not self.is_admin and source not in self.sources:
            raise Forbidden(f'the key "{self.name}" does not open the source "{source}"')


class KeyRing:
    """The keys of the store, which are kept as hashes, and the bootstrap key of the settings."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._redis = redis
        self._bootstrap = settings.bootstrap_key.get_secret_value() if settings.bootstrap_key else None

    async def admit(self, request: "Request", scope: Scope) -> ApiKey:
        """Return the key of the request. Raises as `authenticate` does."""
        return await self.authenticate(request.headers.get("authorization"), scope)

    async def authenticate(self, authorization: str | None, scope: Scope) -> ApiKey:
        """Return the key of an `Authorization: Bearer …` header. Raises Unauthorized, or Forbidden for the scope."""
        kind, _, token = (authorization or "").partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            raise Unauthorized("send a key: Authorization: Bearer KEY")
        key = await self._find(token.strip())
        if key is None:
            raise Unauthorized("this key is not known; it may have been revoked")
        key.require_scope(scope)
        return key

    async def _find(self, token: str) -> ApiKey | None:
        if self._bootstrap and hmac.compare_digest(token.encode(), self._bootstrap.encode()):
            return ApiKey(name="bootstrap", scopes=frozenset({"admin"}))
        # The lookup is by hash, so its duration reveals nothing about other keys.
        kept = await self._redis.hget(keys.API_KEYS, _hashed(token))
        return ApiKey.model_validate_json(kept) if kept else None

    async def create(self, key: ApiKey) -> str:
        """Keep `key` and return its secret. The secret is never shown again."""
        token = "clk_" + secrets.token_urlsafe(32)
        await self._redis.hset(keys.API_KEYS, _hashed(token), key.model_dump_json())
        return token

    async def list(self) -> "list[ApiKey]":
        """Return every key of the store, by name."""
        kept = await self._redis.hvals(keys.API_KEYS)
        return sorted((ApiKey.model_validate_json(one) for one in kept), key=lambda key: key.name)

    async def revoke(self, name: str) -> int:
        """Forget every key of this name; return how many keys were forgotten."""
        kept = await self._redis.hgetall(keys.API_KEYS)
        hashes = [hashed for hashed, one in kept.items() if ApiKey.model_validate_json(one).name == name]
        return await self._redis.hdel(keys.API_KEYS, *hashes) if hashes else 0


def _hashed(token: str) -> str:
    # A plain hash is enough: a key has 256 random bits, and nobody can try them all.
    return hashlib.sha256(token.encode()).hexdigest()
