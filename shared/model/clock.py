"""Moments: the store's clock, milliseconds, ISO 8601 at the edges; and lengths of time in words."""

from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


async def store_now(redis: Redis) -> datetime:
    """Return the store's time (UTC, whole milliseconds): the clock that every replica shares."""
    seconds, microseconds = await redis.time()
    return from_ms(int(seconds) * 1000 + int(microseconds) // 1000)


def to_ms(moment: datetime) -> int:
    """Return milliseconds since the epoch. Integer arithmetic: a float loses the last digit."""
    return (moment - _EPOCH) // _MILLISECOND


def span_ms(span: timedelta) -> int:
    """Return the whole milliseconds of a span."""
    return span // _MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """Return the UTC moment of `milliseconds` since the epoch."""
    seconds, rest = divmod(milliseconds, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)


def iso(moment: datetime) -> str:
    """Return the moment in UTC as RFC 3339 with milliseconds and `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def span(seconds: float) -> str:
    """Return a length of time for people, in the one unit that says enough."""
    if seconds < 1:
        return "under 1 s" if seconds else "0 s"
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"
