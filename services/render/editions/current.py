"""
Which edition a render works with.

A render's own files make an edition. It is *proposed* when the render starts; it becomes *current* when it passes its
trial, else it is *refused*. Every render works with the current edition, whatever its own files make: it loads the copy
that the volume keeps. It cannot where its program is of another release; then it takes no events.
"""

import secrets
import socket
from dataclasses import dataclass

import structlog
from redis.asyncio import Redis

from services.render.editions.files import Code, EditionDraft, EditionFiles, draft_of
from services.render.editions.kept import KeptEditions
from services.render.editions.trial import Trial, samples_of
from services.render.output.volume import Output
from services.render.pages.edition import Edition
from services.render.pages.site_files import SiteFiles
from services.render.theme.template_faults import described
from shared.model.errors import EditionRefused
from shared.runtime.settings import Settings
from shared.store.item_store import ItemStore
from shared.store.site_record import (
    EditionNote,
    SiteRecord,
    adopt_site,
    edition_notes,
    forget_render,
    note_edition,
    read_site,
)

log = structlog.get_logger()


@dataclass(frozen=True)
class TriedEdition:
    """The edition that a render works with, and the trial that it passed."""

    edition: Edition
    trial: Trial


def is_to_be_proposed(
    own: str, record: SiteRecord | None, *, has_backer: bool, is_starting: bool, can_have_current: bool
) -> bool:
    """
    Whether a render proposes the edition that its own files make.

    New files are proposed when the render starts. An edition that was superseded comes back when no living render's
    files make the current one: a render that crashes while others have newer files takes nothing back, and when all
    have the old files again, the old edition is current again. A release that cannot have the current edition does not
    wait for that, because its predecessors may be waiting for it to be ready.
    """
    if record is None:
        return True
    if own == record.fingerprint:
        return False
    if not has_backer:
        return True
    return is_starting and (own not in record.superseded or not can_have_current)


class Editions:
    """Proposes the edition of a render's files, and loads the one that is current."""

    def __init__(self, redis: Redis, output: Output, settings: Settings, code: Code | None = None) -> None:
        self._redis = redis
        self._output = output
        self._settings = settings
        self._code = code or Code()
        self._kept = KeptEditions(output, self._code)
        self._render = f"{socket.gethostname()}-{secrets.token_hex(4)}"
        self._own: EditionDraft | None = None
        self._kept_draft: EditionDraft | None = None
        self._current: TriedEdition | None = None
        self._is_starting = True
        self.refused = ""
        """Why the own edition was refused; empty where it was not."""

    async def current(self) -> TriedEdition | None:
        """
        Return the current edition, or None where this render cannot have it.

        The first call proposes the edition of the own files; later ones do where nobody else is there to.
        """
        if self._is_starting:
            self._load_own()
        own, record = self._own, await read_site(self._redis)
        await self._note()
        if own is not None and not self.refused and await self._proposes(own, record):
            record = await self._propose(own)
        self._is_starting = False
        return await self._take(record) if record is not None else None

    async def leave(self) -> None:
        """Say that this render stops: its files count no more."""
        await forget_render(self._redis, self._render)

    async def in_use(self) -> TriedEdition | None:
        """Return the current edition without proposing any; None where there is none that this program can have."""
        self._load_own()
        record = await read_site(self._redis)
        draft = self._draft_of(record) if record is not None else None
        if draft is None or record is None:
            return None
        edition = draft.numbered(record)
        return TriedEdition(edition, await self._trial(edition))

    def _load_own(self) -> None:
        try:
            self._own = draft_of(EditionFiles.of(self._settings, self._code), self._code)
        except Exception as fault:
            self._own, self.refused = None, described(fault)
            log.exception("edition.refused", reason=self.refused)

    async def _note(self) -> None:
        note = EditionNote(fingerprint=self._own.fingerprint if self._own else "", refused=self.refused)
        await note_edition(self._redis, self._render, note)

    async def _proposes(self, own: EditionDraft, record: SiteRecord | None) -> bool:
        notes = await edition_notes(self._redis)
        return is_to_be_proposed(
            own.fingerprint,
            record,
            has_backer=record is not None and any(one.fingerprint == record.fingerprint for one in notes.values()),
            is_starting=self._is_starting,
            can_have_current=not self._is_starting or (record is not None and self._draft_of(record) is not None),
        )

    async def _propose(self, own: EditionDraft) -> SiteRecord | None:
        """Try the edition and make it current, or refuse it; return the record of the edition that is current then."""
        async with self._output.locked("editions", [""]):
            # Another replica with the same files may have been faster.
            record = await read_site(self._redis)
            if not await self._proposes(own, record):
                return record
            number, born = (record.number, record.born_at) if record else (0, await ItemStore(self._redis).now())
            edition = own.numbered(SiteRecord(number + 1, own.fingerprint, born))
            self.refused = (await self._trial(edition)).fault() or ""
            if self.refused:
                log.error("edition.refused", fingerprint=own.fingerprint, reason=self.refused)
                await self._note()
                return record
            if not self._kept.keep(own):
                self.refused = "its files changed while they were read: restart render"
                return record
            SiteFiles(edition).write_media(self._output)
            accepted = await adopt_site(self._redis, own.fingerprint, expected=number)
            log.info("edition.current", number=accepted.number, fingerprint=accepted.fingerprint)
            return accepted

    async def _trial(self, edition: Edition) -> Trial:
        return Trial(edition, await samples_of(ItemStore(self._redis), edition.site))

    async def _take(self, record: SiteRecord) -> TriedEdition | None:
        known = self._current
        if known is not None and known.edition.record.mark == record.mark == self._output.edition():
            return known
        draft = self._draft_of(record)
        if draft is None:
            self._current = None
            return None
        await self._begin_on_volume()
        if draft is self._own:
            self._kept.keep(draft)  # the volume may be a new one
        edition = draft.numbered(record)
        self._current = TriedEdition(edition, await self._trial(edition))
        return self._current

    def _draft_of(self, record: SiteRecord) -> EditionDraft | None:
        for known in (self._own, self._kept_draft):
            if known is not None and known.fingerprint == record.fingerprint:
                return known
        self._kept_draft = self._kept.read(record.fingerprint)
        return self._kept_draft

    async def _begin_on_volume(self) -> None:
        """Mark the volume with the current edition. From then on no page of another edition is written to it."""
        async with self._output.locked("editions", [""]):
            # Read while the lock is held: so a slow replica never marks the volume with an older edition.
            record = await read_site(self._redis)
            if record is not None and self._output.edition() != record.mark:
                self._output.begin_edition(record.mark)


async def adopt_edition(settings: Settings, redis: Redis, code: Code | None = None) -> TriedEdition:
    """Return the current edition: the settings' own if it passes. Raises EditionRefused where there is none."""
    editions = Editions(redis, Output(settings.output_dir), settings, code)
    current = await editions.current()
    await editions.leave()
    if current is None:
        raise EditionRefused(editions.refused or "the current edition is of another release")
    return current
