"""The id of an entry of a stream, as the store gives it out: `milliseconds-sequence`."""

from datetime import datetime
from typing import NamedTuple

from shared.model.clock import from_ms

_LAST_SEQUENCE = 2**64 - 1


class StreamId(NamedTuple):
    """An id taken apart: ids compare as their stream is ordered."""

    milliseconds: int
    sequence: int = 0

    @classmethod
    def parse(cls, text: str) -> "StreamId":
        """Return the id that the text spells; the sequence may be left out. Raises ValueError."""
        milliseconds, _, sequence = text.partition("-")
        return cls(int(milliseconds), int(sequence or 0))

    def __str__(self) -> str:
        return f"{self.milliseconds}-{self.sequence}"

    @property
    def at(self) -> datetime:
        """The moment when the entry was appended."""
        return from_ms(self.milliseconds)

    @property
    def previous(self) -> "StreamId":
        """The last id that comes before this one; 0-0, where every stream begins, has none and is its own."""
        if self.sequence > 0:
            return StreamId(self.milliseconds, self.sequence - 1)
        return StreamId(self.milliseconds - 1, _LAST_SEQUENCE) if self.milliseconds > 0 else StreamId(0)
