"""Which epoch of the store each event of an item was made in: it is part of the event's id."""

from typing import NamedTuple, Self


class _Step(NamedTuple):
    """From this revision on, the item's events are of this epoch."""

    revision: int
    epoch: int

    def __str__(self) -> str:
        return f"{self.revision}:{self.epoch}"


class EventEpochs(tuple[_Step, ...]):
    """The steps, in order. An item whose events are all of epoch 0 has none."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the epochs that `str` was made of."""
        pairs = (step.split(":") for step in text.split())
        return cls(_Step(int(revision), int(epoch)) for revision, epoch in pairs)

    def __str__(self) -> str:
        return " ".join(map(str, self))

    def of(self, revision: int) -> int:
        """Return the epoch of the revision's event."""
        return next((step.epoch for step in reversed(self) if step.revision <= revision), 0)

    def with_event(self, revision: int, epoch: int) -> "EventEpochs":
        """Return the epochs with the event of a new revision in them."""
        if self.of(revision) == epoch:
            return self
        return EventEpochs((*(step for step in self if step.revision < revision), _Step(revision, epoch)))


NO_EPOCHS = EventEpochs()
