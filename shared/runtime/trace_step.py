"""The steps of an item's way, as traces name them."""

import hashlib
from typing import NamedTuple

Attribute = str | int | float | bool


class Step(NamedTuple):
    """A step of an item's way: its name, and the id of what it was done to. Doing it again gives the same span."""

    name: str
    of: str

    @property
    def span_id(self) -> str:
        """Return 16 hexadecimal digits (W3C Trace Context, section 3.2.2.4)."""
        return hashlib.blake2b(f"{self.name}\n{self.of}".encode(), digest_size=8).hexdigest()
