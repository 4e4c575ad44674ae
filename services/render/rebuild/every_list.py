"""Every list that the site has or had, in the groups in which a rebuild writes them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from services.render.pages.chunks import chunks_of
from services.render.pages.kinds import (
    ARCHIVE_PLACES,
    SITEMAP_PLACES,
    ArchivePage,
    FeedArchive,
    ListingPage,
    Sitemap,
    block_of,
)
from services.render.pages.months import last_of
from services.render.pipeline.affected_pages import pages_of
from shared.model.listings import Listing
from shared.model.site_file import Site
from shared.store import keys

_READ_AT_ONCE = 500

ListPageOrSitemap = ListingPage | Sitemap


@dataclass(frozen=True)
class ListGroups:
    """The lists to write. A group is written again after an interruption, so groups are small."""

    listings: int
    groups: Sequence[Sequence[ListPageOrSitemap]]


class EveryList:
    """Reads from the store which lists there are."""

    def __init__(self, redis: Redis, site: Site) -> None:
        self._redis = redis
        self._site = site

    async def groups(self, is_wanted: Callable[[Listing], bool]) -> ListGroups:
        """
        Return a group for each listing's newest items, then a group for the archives of each month, newest month first.

        New groups sort before finished ones. So resuming by "number of groups done" may repeat a group and never skips
        one.
        """
        listings = [listing for listing in await self._listings() if is_wanted(listing)]
        groups: list[list[ListPageOrSitemap]] = [list(pages_of(listing, self._site)) for listing in listings]
        months: dict[str, list[ListPageOrSitemap]] = {}
        for chunk in chunks_of(listings, _READ_AT_ONCE):
            pipe = self._redis.pipeline(transaction=False)
            for listing in chunk:
                pipe.hgetall(keys.listing(listing))
            for listing, record in zip(chunk, await pipe.execute(), strict=True):
                for page in _archives(listing, record):
                    months.setdefault(page.month, []).append(page)
        groups += [months[month] for month in sorted(months, reverse=True)]
        return ListGroups(len(listings), groups)

    async def _listings(self) -> Sequence[Listing]:
        """Return every listing of the site and every one that an item ever stood in."""
        listings = {Listing(lang, "home") for lang in self._site.languages}
        listings |= {
            Listing(lang, "section", section.path) for lang in self._site.languages for section in self._site.sections
        }
        async for key in self._redis.scan_iter(match=keys.listing_pattern(), count=1000):
            listings.add(keys.listing_of(str(key)))
        return sorted(listings)


def _archives(listing: Listing, record: Mapping[str, str]) -> Iterable[ArchivePage | FeedArchive | Sitemap]:
    for month, last in last_of(record, "feed").items():
        for number in range(block_of(last, ARCHIVE_PLACES), 0, -1):
            yield FeedArchive(listing, month, number)
    for month, last in last_of(record, "archive").items():
        if listing.kind == "section":
            for number in range(block_of(last, ARCHIVE_PLACES), 0, -1):
                yield ArchivePage(listing, month, number)
        elif listing.kind == "home":
            for number in range(block_of(last, SITEMAP_PLACES), 0, -1):
                yield Sitemap(listing.lang, month, number)
