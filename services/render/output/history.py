"""How far the volume has followed the store's history: kept on the volume, and compared with the store."""

from pydantic import BaseModel, ValidationError

from services.render.output.volume import Output
from shared.model.stream_id import StreamId
from shared.store.history import History


class _Mark(BaseModel):
    born_ms: int
    epoch: int
    items: str
    pages: str


class VolumeHistory:
    """
    The history that the volume was written from, and the newest ids of both streams that it has worked.

    `items` is noted before a batch is worked, `pages` after it is announced, so in one history neither is ahead of the
    store. The mark of several replicas may be behind by a batch.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._known: History | None = None

    @property
    def known(self) -> History | None:
        """What this process knows of the mark; None where it was never compared with the store."""
        return self._known

    def read(self) -> History | None:
        """Return the mark of the volume, or None where there is none."""
        try:
            mark = _Mark.model_validate_json((self._output.history() or "").strip())
        except ValidationError:
            return None
        return History(mark.born_ms, mark.epoch, StreamId.parse(mark.items), StreamId.parse(mark.pages))

    def follow(self, history: History) -> None:
        """Go on from a mark that was read."""
        self._known = history

    def keep(self, history: History) -> None:
        """Keep the mark."""
        self._known = history
        mark = _Mark(born_ms=history.born_ms, epoch=history.epoch, items=str(history.items), pages=str(history.pages))
        self._output.keep_history(mark.model_dump_json())

    def advance(self, *, items: StreamId | None = None, pages: StreamId | None = None) -> None:
        """Move the mark on; an id that is not newer moves nothing."""
        known = self._known
        if known is None:
            return
        further = History(
            known.born_ms, known.epoch, max(known.items, items or known.items), max(known.pages, pages or known.pages)
        )
        if further != known:
            self.keep(further)
