"""The rates of the pipeline in the last minutes: the store counts, this module remembers."""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.runtime.background import repeated
from shared.store import keys

log = structlog.get_logger()

MINUTES = 15
_SAMPLE_EVERY_SECONDS = 5


@dataclass(frozen=True)
class Sample:
    """How many entries were ever written to the two streams, at a moment of the process's own clock."""

    at: float
    accepted: int
    announced: int


@dataclass(frozen=True)
class Rates:
    """The counts of each of the last minutes, the oldest first; fewer when the service is younger."""

    accepted: tuple[int, ...]
    announced: tuple[int, ...]

    @property
    def minutes(self) -> int:
        return len(self.accepted)


class RateWatch:
    """
    Samples the streams' own counters of entries ever added. All replicas see the same counters.

    Counting the entries instead would read all of them: 1,000 entries a minute are 2 MB.
    """

    def __init__(self, redis: Redis, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._clock = clock
        self._samples: deque[Sample] = deque(maxlen=MINUTES * 60 // _SAMPLE_EVERY_SECONDS + 1)

    async def run(self) -> None:
        """Take a sample every 5 s, until cancelled."""
        await repeated(self._take_sample, _SAMPLE_EVERY_SECONDS, "rates.unread")

    async def _take_sample(self) -> None:
        self._samples.append(await self._sample())

    async def read(self) -> Rates:
        """Return the rates up to this moment."""
        return rates_of([*self._samples, await self._sample()])

    async def _sample(self) -> Sample:
        accepted, announced = await asyncio.gather(self._added(keys.ITEMS_STREAM), self._added(keys.PAGES_STREAM))
        return Sample(self._clock(), accepted, announced)

    async def _added(self, stream: str) -> int:
        try:
            return int((await self._redis.xinfo_stream(stream))["entries-added"])
        except ResponseError:  # there is no such stream: nothing was ever written to it
            return 0


def rates_of(samples: Sequence[Sample]) -> Rates:
    """Return the differences, minute by minute back from the last of the samples."""
    last = samples[-1]
    age = last.at - samples[0].at
    minutes = min(MINUTES, int(age // 60) + 1)
    edges = [_at(samples, last.at - 60 * minute) for minute in range(minutes, -1, -1)]
    steps = list(itertools.pairwise(edges))
    return Rates(
        tuple(max(0, after.accepted - before.accepted) for before, after in steps),
        tuple(max(0, after.announced - before.announced) for before, after in steps),
    )


def _at(samples: Sequence[Sample], moment: float) -> Sample:
    """Return the last sample taken by then, or the first of all."""
    return next((sample for sample in reversed(samples) if sample.at <= moment), samples[0])
