"""Places in the public log: their order, and how far a shard has read."""

from dataclasses import dataclass

from shared.model.ids import LogId, SubscriptionId
from shared.model.stream_id import StreamId

LOG_START = LogId("0-0")


@dataclass(frozen=True)
class Cursor:
    """
    How far a shard has fanned out the log.

    `passed` is the last entry that is done for every subscription. `within` is the next entry if a step ended in the
    middle of it: it is done for the subscriptions up to `upto`.
    """

    passed: LogId = LOG_START
    within: LogId | None = None
    upto: SubscriptionId | None = None

    def place_of(self, subscription: SubscriptionId) -> LogId:
        """Return the last entry that is done for this subscription."""
        if self.within is not None and self.upto is not None and subscription <= self.upto:
            return self.within
        return self.passed


def is_before(earlier: LogId, later: LogId) -> bool:
    """Whether one place in the log comes before another."""
    return StreamId.parse(earlier) < StreamId.parse(later)
