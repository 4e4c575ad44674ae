"""
Connect to the store: a single server, a master watched by sentinels, or a cluster.

In all three cases the client is a `Redis` and its errors are `RedisError`, so callers need not know which it is.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.connection import HiredisRespSerializer

from shared.store import keys
from shared.store.cluster_topology import Address
from shared.store.redis_cluster import ClusterClient

# Connections of the pool. At the limit callers wait for a free one; redis-py's default pool would raise.
_MAX_CONNECTIONS = 32
_SOCKET_TIMEOUT_SECONDS = 10
_CONNECT_TIMEOUT_SECONDS = 3
_DEFAULT_PORT = 6379
_DEFAULT_SENTINEL_PORT = 26379

_Pool = TypeVar("_Pool", bound=ConnectionPool)


def retry_policy(times: int = 4) -> Retry:
    """Return retries over about a second. They are safe, because every script may be sent twice."""
    return Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), times)


def connect(url: str, *, decode_responses: bool = True) -> Redis:
    """
    Return a client; it sends nothing yet. Close it with `aclose`. Raises ValueError for another kind of URL.

    `redis://`, `rediss://` and `unix://` name a server, `redis+cluster://host:port,host:port` some nodes of a cluster,
    `redis+sentinel://host:port,host:port/name` the sentinels of the master `name`; `rediss+…` uses TLS.
    """
    scheme, _, rest = url.partition("://")
    encryption, _, kind = scheme.partition("+")
    if not kind:
        return Redis.from_pool(_pool(url, retry_policy(), decode_responses=decode_responses))
    parts = _SeveralHostsUrl.parse(encryption, rest)
    if kind == "cluster":
        # No retries on a node's client: the cluster client repeats commands itself, perhaps on another node.
        connect_to = partial(_node, parts, decode_responses=decode_responses)
        return ClusterClient(parts.addresses(_DEFAULT_PORT), keys.ITEMS_STREAM, connect_to)
    if kind == "sentinel" and parts.path:
        return _watched_master(parts, decode_responses=decode_responses)
    raise ValueError(f"CLARION_REDIS_URL: {scheme}:// is not understood, or names no master")


async def on_masters(redis: Redis, *command: str) -> list[Any]:  # Any: what servers answer
    """Send a command about the server to every master and return the answers; only a cluster has more than one."""
    if isinstance(redis, ClusterClient):
        return await redis.on_masters(*command)
    return [await redis.execute_command(*command)]  # type: ignore[no-untyped-call] # untyped in redis-py


@dataclass(frozen=True)
class _SeveralHostsUrl:
    """The parts of a URL with several hosts."""

    scheme: str
    credentials: str
    hosts: tuple[str, ...]
    path: str
    query: str

    @classmethod
    def parse(cls, scheme: str, rest: str) -> "_SeveralHostsUrl":
        before_query, _, query = rest.partition("?")
        authority, _, path = before_query.partition("/")
        credentials, at, hosts = authority.rpartition("@")
        return cls(scheme, credentials + at, tuple(hosts.split(",")), path, f"?{query}" if query else "")

    def addresses(self, default_port: int) -> list[Address]:
        pairs = [host.rpartition(":") if _has_port(host) else (host, "", default_port) for host in self.hosts]
        return [Address(name.strip("[]"), int(port)) for name, _, port in pairs]

    def url(self, address: Address) -> str:
        host = f"[{address.host}]" if ":" in address.host else address.host
        return f"{self.scheme}://{self.credentials}{host}:{address.port}/0{self.query}"


def _has_port(host: str) -> bool:
    return host.rpartition(":")[2].isdecimal() and not host.endswith("]")


def _pool(url: str, retry: Retry, *, decode_responses: bool) -> BlockingConnectionPool:
    return _packing_with_hiredis(
        BlockingConnectionPool.from_url(url, **_options(retry, decode_responses=decode_responses))
    )


_PACKER = HiredisRespSerializer()


class _HiredisPacking:
    """
    Packs commands with hiredis, as redis-py's synchronous client does; its asynchronous client packs in Python.

    Packing in Python took a tenth of the CPU of a process that delivers, because a turn names twelve keys a delivery.
    """

    def pack_command(self, *args: Any) -> list[Any]:  # Any: so it is typed in redis-py
        return list(_PACKER.pack(*args))


def _packing_with_hiredis(pool: _Pool) -> _Pool:
    kind = pool.connection_class
    pool.connection_class = type(kind.__name__, (_HiredisPacking, kind), {})
    return pool


def _options(retry: Retry, *, decode_responses: bool) -> dict[str, Any]:  # Any: the pool's own types
    return {
        "max_connections": _MAX_CONNECTIONS,
        "timeout": _SOCKET_TIMEOUT_SECONDS,
        "decode_responses": decode_responses,
        "socket_timeout": _SOCKET_TIMEOUT_SECONDS,
        "socket_connect_timeout": _CONNECT_TIMEOUT_SECONDS,
        "health_check_interval": 30,
        "retry": retry,
    }


def _node(parts: _SeveralHostsUrl, address: Address, *, decode_responses: bool) -> Redis:
    return Redis.from_pool(_pool(parts.url(address), Retry(NoBackoff(), 0), decode_responses=decode_responses))


class _WatchedMasterPool(SentinelConnectionPool, BlockingConnectionPool):
    """Asks the sentinels for the master at each new connection; at the limit callers wait for a free one."""


class _WatchedMaster(Redis):
    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(close_connection_pool)
        if isinstance(self.connection_pool, _WatchedMasterPool):
            await self.connection_pool.sentinel_manager.aclose()


def _watched_master(parts: _SeveralHostsUrl, *, decode_responses: bool) -> Redis:
    addresses = parts.addresses(_DEFAULT_SENTINEL_PORT)
    sentinels = Sentinel(  # type: ignore[no-untyped-call] # untyped in redis-py
        [(address.host, address.port) for address in addresses],
        sentinel_kwargs={
            "ssl": parts.scheme == "rediss",
            "socket_timeout": _CONNECT_TIMEOUT_SECONDS,
            "socket_connect_timeout": _CONNECT_TIMEOUT_SECONDS,
            # No retries: the next sentinel is asked instead.
            "retry": Retry(NoBackoff(), 0),
        },
    )
    options = parse_url(parts.url(addresses[0]))
    credentials = {name: options[name] for name in ("username", "password") if name in options}
    pool = _WatchedMasterPool(  # type: ignore[no-untyped-call] # untyped in redis-py
        parts.path,
        sentinels,
        ssl=parts.scheme == "rediss",
        **credentials,
        **_options(retry_policy(), decode_responses=decode_responses),
    )
    return _WatchedMaster.from_pool(_packing_with_hiredis(pool))
