"""
Bring the whole volume up to date with the store: after a change of site or theme, onto an empty volume, or on demand.

A rebuild writes the pages of every path that an item ever had, then every list, then the archives month by month, so
that an item's card and feed entry are rendered once for all of them. At last it removes the files that no page has. It
works in steps of some milliseconds, and publishing goes first before each step. A checkpoint beside the output lets an
interrupted rebuild resume. README.md draws the states.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.render.output.files import UnusableName
from services.render.output.volume import Output
from services.render.pages.chunks import chunks_of
from services.render.pages.edition import Edition
from services.render.pages.edition_guard import EditionGuard
from services.render.pages.kinds import (
    NEWS_SITEMAP,
    SITEMAP_INDEX,
    ItemAt,
    LatestFragment,
    ListingPage,
    NewsSitemap,
    Page,
    Sitemap,
    SitemapLine,
)
from services.render.pages.site_files import SiteFiles
from services.render.pages.writer import PageWriter
from services.render.rebuild.every_list import EveryList
from services.render.rebuild.page_of_path import pages_at
from services.render.rebuild.preparation import Preparation
from services.render.rebuild.publishing_load import PublishingLoad
from services.render.search.service import Search
from shared.model.errors import EditionBroken
from shared.model.ids import ItemId
from shared.model.urls import FRAGMENTS
from shared.store import keys

log = structlog.get_logger()

# Publishing goes first before each step; a step takes some 10 ms.
_ITEMS_IN_ONE_STEP = 2
_SEARCHED_IN_ONE_STEP = 5
_FILES_IN_ONE_STEP = 200
_PATHS_IN_ONE_READING = 100
_WAIT_SECONDS = 1
_REWRITTEN_AT_ONCE = 50


class RebuildCheckpoint(BaseModel):
    """Where an interrupted rebuild resumes."""

    fingerprint: str
    section: str | None
    cursor: int = 0
    """Of the scan of paths: HSCAN starts and ends with 0."""
    items: int = 0
    items_are_done: bool = False
    lists: int = 0
    """How many groups of lists are done."""


@dataclass(frozen=True)
class RebuildProgress:
    """How far a rebuild has come."""

    step: str
    done: int
    total: int


OnProgress = Callable[[RebuildProgress], None]


@dataclass(frozen=True)
class RebuildResult:
    """What a rebuild did."""

    items: int
    listings: int
    stale: Sequence[str]
    """The paths of the files that no page had and that were removed."""


class Rebuild:
    """Writes every page of the site, or of a section."""

    def __init__(
        self,
        redis: Redis,
        edition: Edition,
        output: Output,
        *,
        preparation: Preparation,
        writer: PageWriter,
        search: Search,
    ) -> None:
        self._redis = redis
        self._site = edition.site
        self._record = edition.record
        self._guard = EditionGuard(output, edition.record.mark)
        self._feed_formats = edition.feed_formats
        self._every_list = EveryList(redis, edition.site)
        self._files = SiteFiles(edition)
        self._preparation = preparation
        self._writer = writer
        self._output = output
        self._search = search
        self._load = PublishingLoad(redis)

    async def run_if_needed(self) -> None:
        """
        Write everything unless the volume was built whole with this edition; wait for a store that is away.

        Raises EditionSuperseded.
        """
        while self._output.built() != self._record.fingerprint:
            try:
                # Of several replicas one rebuilds; the others find it done.
                async with self._output.locked("rebuilds", [""]):
                    if self._output.built() != self._record.fingerprint:
                        await self.run()
            except (RedisError, OSError, EditionBroken) as error:
                log.warning("rebuild.waiting", reason=repr(error))
                await asyncio.sleep(_WAIT_SECONDS)

    async def run(self, section: str | None = None, on_progress: OnProgress = lambda _: None) -> RebuildResult:
        """Write static files, items and lists, and remove all other files. An unchanged file is not written again."""
        self._guard.require_current()
        checkpoint = self._checkpoint(section)
        files = self._files.write(self._output)
        there = files | {SITEMAP_INDEX}
        there |= await self._rebuild_items(checkpoint, on_progress)
        listings, lists = await self._rebuild_lists(checkpoint, on_progress)
        there |= lists
        stale = await self._sweep(section, there, on_progress)
        if any(self._output.mtime_ns(path) is None for path in files):
            self._files.write(self._output)  # a file of an earlier edition stood where this one has a folder
        await self.sweep_unfinished()
        self._output.keep_mark(None)
        if section is None:
            await self._search.remove_unpublished(self._load.until_idle)
            # A power cut must not leave the mark and take pages.
            await self._writer.sync()
            async with self._guard.locked("editions", [""]):
                self._output.mark_built(self._record.fingerprint)
        log.info("site.rebuilt", section=section, items=checkpoint.items, listings=listings, stale=len(stale))
        return RebuildResult(checkpoint.items, listings, stale)

    async def rewrite(self, paths: Sequence[str]) -> None:
        """Write the files at the paths again where they are not what they ought to be."""
        self._files.write(self._output)
        for some in chunks_of([path for path in paths if self._may_be_page(path)], _REWRITTEN_AT_ONCE):
            pages = {page for path in some for page in pages_at(path, self._site, self._feed_formats)}
            try:
                await self._writer.refresh(pages)
            except UnusableName as fault:
                log.error("page.unusable", reason=str(fault))  # noqa: TRY400 - the reason says everything
        await self._writer.mend_sitemap_index()

    async def sweep_unfinished(self) -> None:
        """Remove the temporary files of processes that were killed."""
        swept = await asyncio.to_thread(self._output.sweep_unfinished)
        if swept:
            log.info("output.swept", files=swept)

    def _checkpoint(self, section: str | None) -> RebuildCheckpoint:
        fresh = RebuildCheckpoint(fingerprint=self._record.fingerprint, section=section)
        try:
            kept = RebuildCheckpoint.model_validate_json(self._output.mark() or "")
        except ValidationError:
            return fresh
        return kept if (kept.fingerprint, kept.section) == (fresh.fingerprint, fresh.section) else fresh

    async def _rebuild_items(self, checkpoint: RebuildCheckpoint, on_progress: OnProgress) -> set[str]:
        there: set[str] = set()
        total = await self._redis.hlen(keys.PATHS)
        while not checkpoint.items_are_done:
            # Any: redis-py's replies are unions of everything.
            found: Any
            cursor, found = await self._redis.hscan(keys.PATHS, checkpoint.cursor, count=_PATHS_IN_ONE_READING)
            owners = {path: ItemId(owner) for path, owner in found.items() if self._is_wanted(path, checkpoint.section)}
            there |= await self._write([ItemAt(path) for path in owners])
            await self._repair_search(set(owners.values()))
            checkpoint.cursor = int(cursor)
            checkpoint.items += len(owners)
            checkpoint.items_are_done = checkpoint.cursor == 0
            self._output.keep_mark(checkpoint.model_dump_json())
            on_progress(RebuildProgress("items", checkpoint.items, max(total, checkpoint.items)))
        return there

    async def _repair_search(self, ids: Collection[ItemId]) -> None:
        for some in chunks_of(sorted(ids), _SEARCHED_IN_ONE_STEP):
            await self._load.until_idle()
            await self._search.repair(some)

    def _may_be_page(self, path: str) -> bool:
        own = path.removeprefix("/sitemaps").removeprefix(FRAGMENTS)
        return path == NEWS_SITEMAP or self._is_wanted(own, None)

    def _is_wanted(self, path: str, section: str | None) -> bool:
        lang, _, rest = path.strip("/").partition("/")
        return lang in self._site.languages and (section is None or f"{rest}/".startswith(f"{section}/"))

    async def _rebuild_lists(self, checkpoint: RebuildCheckpoint, on_progress: OnProgress) -> tuple[int, set[str]]:
        """Write the lists after the checkpoint; return how many listings there are, and the paths that were written."""
        every = await self._every_list.groups(lambda listing: self._is_wanted(listing.path, checkpoint.section))
        there: set[str] = set()
        for group in every.groups[checkpoint.lists :]:
            there |= await self._write(group)
            checkpoint.lists += 1
            self._output.keep_mark(checkpoint.model_dump_json())
            on_progress(RebuildProgress("lists", checkpoint.lists, len(every.groups)))
        await self._writer.mend_sitemap_index()
        there |= await self._write([NewsSitemap(), *(LatestFragment(lang) for lang in self._site.languages)])
        return every.listings, there

    async def _write(self, pages: Sequence[Page]) -> set[str]:
        """Write the pages, a few at a time, and return the paths of their files."""
        there: set[str] = set()
        for some in chunks_of([page for page in pages if isinstance(page, ItemAt)], _ITEMS_IN_ONE_STEP):
            await self._load.until_idle()
            there |= (await self._writer.refresh(some)).there
        for page in pages:
            if not isinstance(page, ItemAt | SitemapLine):
                await self._preparation.prepare(page, self._load.until_idle)
                await self._load.until_idle()
                there |= await self._write_list(page)
        return there

    async def _write_list(self, page: ListingPage | Sitemap) -> set[str]:
        try:
            return (await self._writer.refresh([page])).there
        except UnusableName as fault:
            log.error("page.unusable", page=str(page), reason=str(fault))  # noqa: TRY400 - the reason says everything
            return set()

    async def _sweep(self, section: str | None, there: Collection[str], on_progress: OnProgress) -> Sequence[str]:
        """Remove the files that no page has. A file that this run did not write is first compared with the store."""
        unknown = [
            path
            async for path in self._files_there()
            if path not in there and (section is None or self._is_wanted(path, section))
        ]
        stale = []
        for done, path in enumerate(unknown):
            pages = list(pages_at(path, self._site, self._feed_formats)) if self._may_be_page(path) else []
            await self._write(pages)
            if not pages:
                self._guard.require_current()
                self._output.remove(path)
            if self._output.mtime_ns(path) is None:
                stale.append(path)
            on_progress(RebuildProgress("files", done + 1, len(unknown)))
        return stale

    async def _files_there(self) -> AsyncIterator[str]:
        paths = self._output.paths()
        while some := list(itertools.islice(paths, _FILES_IN_ONE_STEP)):
            await self._load.until_idle()
            for path in some:
                yield path
