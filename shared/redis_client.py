"""The one way to connect to the store."""

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff

# A pool that waits for a free connection: redis-py's other pool raises when its last one is taken.
_MAX_CONNECTIONS = 32
_SOCKET_TIMEOUT_SECONDS = 10


def retry_policy(times: int = 4) -> Retry:
    """Return retries over about a second: `from_url` has none of its own, and our scripts may be sent twice."""
    return Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), times)


def connect(url: str) -> Redis:
    """Return a client for text; nothing is sent yet. Close it with `aclose`."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_MAX_CONNECTIONS,
        timeout=_SOCKET_TIMEOUT_SECONDS,
        decode_responses=True,
        socket_timeout=_SOCKET_TIMEOUT_SECONDS,
        socket_connect_timeout=3,
        health_check_interval=30,
        retry=retry_policy(),
    )
    return Redis.from_pool(pool)
