"""Compare the volume with what a rebuild from the store would write: files by their bytes, search by its words."""

from dataclasses import dataclass

from services.render.output.volume import Output
from services.render.search.index import digests
from shared.model.errors import Broken
from shared.model.items import PublicItem


class PendingVeto(Broken):
    """An item cannot be rendered and render has not taken it back yet: let it work off its events first."""


@dataclass(frozen=True)
class Differences:
    """Where the volume is not what it ought to be: paths of files, and ids of items that the search index has wrong."""

    missing: tuple[str, ...] = ()
    different: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    searched: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.different or self.stale or self.searched)


def compare(volume: Output, rebuilt: Output) -> Differences:
    """Return where the volume differs from a volume that was just rebuilt from nothing."""
    there, wanted = set(volume.paths()), set(rebuilt.paths())
    indexed, to_index = digests(volume.search_file), digests(rebuilt.search_file)
    return Differences(
        missing=tuple(sorted(wanted - there)),
        different=tuple(sorted(path for path in wanted & there if volume.read(path) != rebuilt.read(path))),
        stale=tuple(sorted(there - wanted)),
        searched=tuple(
            sorted(one for one in indexed.keys() | to_index.keys() if indexed.get(one) != to_index.get(one))
        ),
    )


async def refuse_fault(item: PublicItem, fault: Exception) -> None:
    """Raise PendingVeto: whoever only compares changes nothing in the store."""
    raise PendingVeto(f"item {item.item.id} at revision {item.revision.number} cannot be rendered: {fault!r}")
