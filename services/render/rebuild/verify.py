"""Compare the volume with what a rebuild from the store would write: files by their bytes, search by its words."""

from dataclasses import dataclass

import structlog

from services.render.output.files import page_time_ns
from services.render.output.volume import Output
from services.render.search.index import digests
from shared.model.items import PublicItem

log = structlog.get_logger()


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


class FaultsOfComparison:
    """
    Copies pages that this edition cannot render from the volume: they stay as another edition made them.

    Nothing is written to the store.
    """

    def __init__(self, volume: Output, rebuilt: Output) -> None:
        self._volume = volume
        self._rebuilt = rebuilt

    async def cast_on_shown(self, item: PublicItem, fault: Exception) -> None:
        """Copy the item's page, if it is there."""
        log.warning("item.unrenderable", item_id=item.item.id, revision=item.revision.number, reason=repr(fault))
        content = self._volume.read(item.path)
        if content is not None:
            self._rebuilt.write(item.path, content, page_time_ns(item))

    async def lift(self, item: PublicItem) -> None:
        """Leave the store as it is."""
