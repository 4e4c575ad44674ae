"""
Bring the whole volume up to date with the store: after a change of site or theme, onto an empty volume, or on demand.

It goes through every path that an item ever had, then through every listing that ever was and its archives month by
month, so that an item's card and feed entry are rendered once for all of them. It works in steps of a few milliseconds
and lets publishing go first before each. What is done is noted beside the output, so that one that was interrupted goes
on from there. At last it takes away the files that no page has.
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

from services.render.output.volume import Output
from services.render.pages.chunks import chunks_of
from services.render.pages.edition import Edition
from services.render.pages.kinds import (
    NEWS_SITEMAP,
    SITEMAP_INDEX,
    ItemAt,
    LatestFragment,
    NewsSitemap,
    Page,
    SitemapLine,
)
from services.render.pages.writer import PageWriter
from services.render.rebuild.every_list import EveryList
from services.render.rebuild.page_of_path import pages_named
from services.render.rebuild.preparation import Preparation
from services.render.rebuild.publishing_load import PublishingLoad
from services.render.rebuild.site_files import SiteFiles
from services.render.search.service import Search
from shared.model.ids import ItemId
from shared.model.urls import FRAGMENTS
from shared.store import keys

log = structlog.get_logger()

# So much between two looks at whether something is being published: some ten milliseconds' work.
_ITEMS_IN_ONE_STEP = 2
_SEARCHED_IN_ONE_STEP = 5
_FILES_IN_ONE_STEP = 200
_PATHS_IN_ONE_READING = 100
_WAIT_SECONDS = 1


class _Mark(BaseModel):
    """How far a rebuild has come."""

    fingerprint: str
    section: str | None
    cursor: int = 0
    """Of the scan of paths; 0 again when it is through."""
    items: int = 0
    items_are_done: bool = False
    lists: int = 0
    """Of the groups of lists, those that are through."""


@dataclass(frozen=True)
class Progress:
    """How far a rebuild has come, for whoever watches."""

    step: str
    done: int
    total: int


Watch = Callable[[Progress], None]


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild did."""

    items: int
    listings: int
    stale: Sequence[str]
    """The paths of files that no page had, and that are gone now."""


@dataclass(frozen=True)
class RebuildTools:
    """What a rebuild works with."""

    preparation: Preparation
    writer: PageWriter
    search: Search


class Rebuild:
    """Writes every page of the site, or of a section."""

    def __init__(self, redis: Redis, edition: Edition, output: Output, tools: RebuildTools) -> None:
        self._redis = redis
        self._site = edition.site
        self._record = edition.record
        self._feed_formats = edition.feed_formats
        self._every_list = EveryList(redis, edition.site)
        self._files = SiteFiles(edition)
        self._preparation = tools.preparation
        self._writer = tools.writer
        self._output = output
        self._search = tools.search
        self._load = PublishingLoad(redis)

    async def run_if_needed(self) -> None:
        """Write everything unless the volume was built whole with this edition; wait for a store that is away."""
        while self._output.built() != self._record.fingerprint:
            try:
                # Of several replicas one rebuilds; the others find it done.
                async with self._output.locked("rebuilds", [""]):
                    if self._output.built() != self._record.fingerprint:
                        await self.run()
            except (RedisError, OSError) as error:
                log.warning("rebuild.waiting", reason=repr(error))
                await asyncio.sleep(_WAIT_SECONDS)

    async def run(self, section: str | None = None, watch: Watch = lambda _: None) -> Rebuilt:
        """Write static files, items, lists, and take away the rest; what is there already is not written again."""
        mark = self._mark(section)
        there = self._files.write(self._output) | {SITEMAP_INDEX}
        there |= await self._rebuild_items(mark, watch)
        listings, lists = await self._rebuild_lists(mark, watch)
        there |= lists
        stale = await self._sweep(section, there, watch)
        await self.sweep_unfinished()
        self._output.keep_mark(None)
        if section is None:
            await self._search.remove_unpublished(self._load.passed)
            self._output.mark_built(self._record.fingerprint)
        log.info("site.rebuilt", section=section, items=mark.items, listings=listings, stale=len(stale))
        return Rebuilt(mark.items, listings, stale)

    async def sweep_unfinished(self) -> None:
        """Take away what processes that were killed left unfinished."""
        swept = await asyncio.to_thread(self._output.sweep_unfinished)
        if swept:
            log.info("output.swept", files=swept)

    def _mark(self, section: str | None) -> _Mark:
        fresh = _Mark(fingerprint=self._record.fingerprint, section=section)
        try:
            kept = _Mark.model_validate_json(self._output.mark() or "")
        except ValidationError:
            return fresh
        return kept if (kept.fingerprint, kept.section) == (fresh.fingerprint, fresh.section) else fresh

    async def _rebuild_items(self, mark: _Mark, watch: Watch) -> set[str]:
        there: set[str] = set()
        total = await self._redis.hlen(keys.PATHS)
        while not mark.items_are_done:
            # Any: redis-py's replies are unions of everything.
            found: Any
            cursor, found = await self._redis.hscan(keys.PATHS, mark.cursor, count=_PATHS_IN_ONE_READING)
            owners = {path: ItemId(owner) for path, owner in found.items() if self._is_wanted(path, mark.section)}
            there |= await self._write([ItemAt(path) for path in owners])
            await self._repair_search(set(owners.values()))
            mark.cursor, mark.items, mark.items_are_done = int(cursor), mark.items + len(owners), int(cursor) == 0
            self._output.keep_mark(mark.model_dump_json())
            watch(Progress("items", mark.items, max(total, mark.items)))
        return there

    async def _repair_search(self, ids: Collection[ItemId]) -> None:
        for some in chunks_of(sorted(ids), _SEARCHED_IN_ONE_STEP):
            await self._load.passed()
            await self._search.repair(some)

    def _may_be_page(self, path: str) -> bool:
        own = path.removeprefix("/sitemaps").removeprefix(FRAGMENTS)
        return path == NEWS_SITEMAP or self._is_wanted(own, None)

    def _is_wanted(self, path: str, section: str | None) -> bool:
        lang, _, rest = path.strip("/").partition("/")
        return lang in self._site.languages and (section is None or f"{rest}/".startswith(f"{section}/"))

    async def _rebuild_lists(self, mark: _Mark, watch: Watch) -> tuple[int, set[str]]:
        """Write the lists that are left; return how many listings there are, and the paths of what was written."""
        every = await self._every_list.groups(lambda listing: self._is_wanted(listing.path, mark.section))
        there: set[str] = set()
        for group in every.groups[mark.lists :]:
            there |= await self._write(group)
            mark.lists += 1
            self._output.keep_mark(mark.model_dump_json())
            watch(Progress("lists", mark.lists, len(every.groups)))
        there |= await self._write([NewsSitemap(), *(LatestFragment(lang) for lang in self._site.languages)])
        return every.listings, there

    async def _write(self, pages: Sequence[Page]) -> set[str]:
        """Write the pages, a few at a time, and return the paths of their files."""
        there: set[str] = set()
        for some in chunks_of([page for page in pages if isinstance(page, ItemAt)], _ITEMS_IN_ONE_STEP):
            await self._load.passed()
            there |= (await self._writer.refresh(some)).there
        for page in pages:
            if not isinstance(page, ItemAt | SitemapLine):
                await self._preparation.prepare(page, self._load.passed)
                await self._load.passed()
                there |= (await self._writer.refresh([page])).there
        return there

    async def _sweep(self, section: str | None, there: Collection[str], watch: Watch) -> Sequence[str]:
        """Take away the files that no page has; what was not written just now is asked of the store again."""
        unknown = [
            path
            async for path in self._files_there()
            if path not in there and (section is None or self._is_wanted(path, section))
        ]
        stale = []
        for done, path in enumerate(unknown):
            pages = list(pages_named(path, self._site, self._feed_formats)) if self._may_be_page(path) else []
            await self._write(pages)
            if not pages:
                self._output.remove(path)
            if self._output.mtime_ns(path) is None:
                stale.append(path)
            watch(Progress("files", done + 1, len(unknown)))
        return stale

    async def _files_there(self) -> AsyncIterator[str]:
        paths = self._output.paths()
        while some := list(itertools.islice(paths, _FILES_IN_ONE_STEP)):
            await self._load.passed()
            for path in some:
                yield path
