"""
Bring the whole volume up to date with the store: after a change of site or theme, onto an empty volume, or on demand.

It goes through every path that an item ever had and every listing that ever was, a few pages at a time, and lets
publishing go first. What is done is noted beside the output, so that one that was interrupted goes on from there. At
last it takes away the files that no page has.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass

import structlog
from pydantic import BaseModel, ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.render.edition import Edition
from services.render.months import Months
from services.render.output import Output
from services.render.page_graph import pages_of
from services.render.page_writer import PageWriter
from services.render.pages import (
    ARCHIVE_PLACES,
    NEWS_SITEMAP,
    SITEMAP_INDEX,
    SITEMAP_PLACES,
    ArchivePage,
    FeedArchive,
    ItemAt,
    LatestFragment,
    NewsSitemap,
    Page,
    Sitemap,
    block_of,
)
from services.render.publishing_load import PublishingLoad
from services.render.searching import Search
from services.render.site_files import SiteFiles
from services.render.site_pages import pages_named
from shared import keys
from shared.item_store import ItemStore
from shared.listings import Listing
from shared.urls import FRAGMENTS

log = structlog.get_logger()

# So many pages between two looks at whether something is being published: a few milliseconds' work.
_AT_ONCE = 4
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
    listings: int = 0


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


class Rebuild:
    """Writes every page of the site, or of a section."""

    def __init__(self, redis: Redis, edition: Edition, writer: PageWriter, output: Output, search: Search) -> None:
        self._redis = redis
        self._site = edition.site
        self._record = edition.record
        self._months = Months(redis, edition.site)
        self._files = SiteFiles(edition)
        self._writer = writer
        self._output = output
        self._search = search
        self._store = ItemStore(redis)
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
        there |= await self._rebuild_lists(mark, watch)
        stale = await self._sweep(section, there, watch)
        self._output.keep_mark(None)
        if section is None:
            await self._search.forget_strangers()
            self._output.mark_built(self._record.fingerprint)
        log.info("site.rebuilt", section=section, items=mark.items, listings=mark.listings, stale=len(stale))
        return Rebuilt(mark.items, mark.listings, stale)

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
            cursor, found = await self._redis.hscan(keys.PATHS, mark.cursor, count=_PATHS_IN_ONE_READING)
            paths = [str(path) for path in found if self._is_wanted(str(path), mark.section)]
            there |= await self._refresh([ItemAt(path) for path in paths])
            owners = await self._store.owners(paths) if paths else []
            await self._search.refresh({owner for owner in owners if owner})
            mark.cursor, mark.items, mark.items_are_done = int(cursor), mark.items + len(paths), int(cursor) == 0
            self._output.keep_mark(mark.model_dump_json())
            watch(Progress("items", mark.items, max(total, mark.items)))
        return there

    def _may_be_page(self, path: str) -> bool:
        own = path.removeprefix("/sitemaps").removeprefix(FRAGMENTS)
        return path == NEWS_SITEMAP or self._is_wanted(own, None)

    def _is_wanted(self, path: str, section: str | None) -> bool:
        lang, _, rest = path.strip("/").partition("/")
        return lang in self._site.languages and (section is None or f"{rest}/".startswith(f"{section}/"))

    async def _rebuild_lists(self, mark: _Mark, watch: Watch) -> set[str]:
        listings = [listing for listing in await self._listings() if self._is_wanted(listing.path, mark.section)]
        there: set[str] = set()
        for listing in listings[mark.listings :]:
            there |= await self._refresh([page async for page in self._pages_of(listing)])
            mark.listings += 1
            self._output.keep_mark(mark.model_dump_json())
            watch(Progress("lists", mark.listings, len(listings)))
        return there | await self._refresh([NewsSitemap(), *(LatestFragment(lang) for lang in self._site.languages)])

    async def _listings(self) -> Sequence[Listing]:
        """Return every listing of the site and every one that an item ever stood in."""
        listings = {Listing(lang, "home") for lang in self._site.languages}
        listings |= {
            Listing(lang, "section", section.path) for lang in self._site.languages for section in self._site.sections
        }
        async for key in self._redis.scan_iter(match=keys.listing_pattern(), count=1000):
            listings.add(keys.listing_of(str(key)))
        return sorted(listings)

    async def _pages_of(self, listing: Listing) -> AsyncIterator[Page]:
        for page in pages_of(listing, self._site):
            yield page
        for month, last in (await self._months.last(listing, "feed")).items():
            for number in range(block_of(last, ARCHIVE_PLACES), 0, -1):
                yield FeedArchive(listing, month, number)
        for month, last in (await self._months.last(listing, "archive")).items():
            if listing.kind == "section":
                for number in range(block_of(last, ARCHIVE_PLACES), 0, -1):
                    yield ArchivePage(listing, month, number)
            elif listing.kind == "home":
                for number in range(block_of(last, SITEMAP_PLACES), 0, -1):
                    yield Sitemap(listing.lang, month, number)

    async def _refresh(self, pages: Sequence[Page]) -> set[str]:
        """Write the pages, a few at a time, and return the paths of their files."""
        there: set[str] = set()
        for start in range(0, len(pages), _AT_ONCE):
            await self._load.passed()
            there |= (await self._writer.refresh(pages[start : start + _AT_ONCE])).there
        return there

    async def _sweep(self, section: str | None, there: Collection[str], watch: Watch) -> Sequence[str]:
        """Take away the files that no page has; what was not written just now is asked of the store again."""
        files = [path for path in self._output.paths() if section is None or self._is_wanted(path, section)]
        unknown = [path for path in files if path not in there]
        stale = []
        for done, path in enumerate(unknown):
            pages = list(pages_named(path, self._site)) if self._may_be_page(path) else []
            await self._refresh(pages)
            if not pages:
                self._output.remove(path)
            if self._output.mtime_ns(path) is None:
                stale.append(path)
            watch(Progress("files", done + 1, len(unknown)))
        return stale
