"""Compare the volume with what a rebuild from the store would write, byte for byte."""

from dataclasses import dataclass

from services.render.output import Output
from shared.errors import Broken
from shared.items import PublicItem


class NotVetoed(Broken):
    """An item cannot be rendered and render has not taken it back yet: let it work off its events first."""


@dataclass(frozen=True)
class Differences:
    """The paths where the volume is not what it ought to be."""

    missing: tuple[str, ...]
    different: tuple[str, ...]
    stale: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.different or self.stale)


def compare(volume: Output, rebuilt: Output) -> Differences:
    """Return where the volume differs from a volume that was just rebuilt from nothing."""
    there, wanted = set(volume.paths()), set(rebuilt.paths())
    return Differences(
        missing=tuple(sorted(wanted - there)),
        different=tuple(sorted(path for path in wanted & there if volume.read(path) != rebuilt.read(path))),
        stale=tuple(sorted(there - wanted)),
    )


async def refuse_fault(item: PublicItem, fault: Exception) -> None:
    """Raise NotVetoed: whoever only compares changes nothing in the store."""
    raise NotVetoed(f"item {item.item.id} at revision {item.revision.number} cannot be rendered: {fault!r}")
