"""Locks under which pages of one edition are written, and of no other."""

import contextlib
from collections.abc import AsyncIterator, Iterable

from services.render.output.volume import LockFamily, Output
from shared.model.errors import EditionSuperseded


class EditionGuard:
    """
    Takes the locks of pages, and refuses them to a replica whose edition is not the volume's any more.

    The volume is marked before a new edition writes its first page, and every page is then written again under its
    lock. So whoever holds a lock of a page, and finds the mark of its own edition, is before that: no page stays old.
    """

    def __init__(self, output: Output, mark: str) -> None:
        self._output = output
        self._mark = mark

    @contextlib.asynccontextmanager
    async def locked(self, family: LockFamily, paths: Iterable[str]) -> AsyncIterator[None]:
        """Hold the locks while the block runs. Raises EditionSuperseded."""
        async with self._output.locked(family, paths):
            self.require_current()
            yield

    def require_current(self) -> None:
        """Raise EditionSuperseded if the volume is another edition's; a volume without a mark is a comparison's."""
        marked = self._output.edition()
        if marked is not None and marked != self._mark:
            raise EditionSuperseded("another edition of the site is current")
