"""Read what list pages show: for many pages at once, in a few round trips to the store."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, assert_never

from redis.asyncio import Redis

from services.render.feeds.feed import Tombstone
from services.render.pages.edition import Edition
from services.render.pages.kinds import (
    ARCHIVE_PLACES,
    ArchivePage,
    FeedArchive,
    LatestFragment,
    ListFeeds,
    ListingPage,
    ListPage,
    NewsSitemap,
)
from services.render.pages.months import LastPlaces, last_of, month_key
from services.render.pages.ticks import NEWS_AGE, last_tick
from shared.model.clock import from_ms, span_ms
from shared.model.ids import ItemId
from shared.model.items import PublicItem
from shared.model.listings import Listing
from shared.model.site_file import Section
from shared.store import keys
from shared.store.public_items import PublicItems

NEWEST_ON_PAGE = 20
NEWEST_ON_HOME = 6
NEWEST_IN_COLUMN = 6
# A news sitemap may name a thousand addresses, and search engines ignore more.
NEWEST_IN_NEWS = 1000


@dataclass(frozen=True)
class ListContent:
    """The items of a page in their order: under the top sections on a home page, in one group elsewhere."""

    groups: Sequence[tuple[Section | None, Sequence[PublicItem]]]
    changed_at: datetime
    months: Sequence[str] = ()
    """The months (`yyyymm`) of a section that have items, newest first."""
    last_places: LastPlaces = field(default_factory=dict)
    """The last number of each month: of archives on an archive page, of feeds in a feed."""
    tombstones: Sequence[Tombstone] = ()

    @property
    def items(self) -> Sequence[PublicItem]:
        return [item for _, group in self.groups for item in group]


@dataclass(frozen=True)
class _RangeQuery:
    """The members of a sorted set with the highest scores, at most `limit`, no score outside `lowest` to `highest`."""

    key: str
    limit: int
    lowest: int | str = "-inf"
    highest: int | str = "+inf"


@dataclass(frozen=True)
class _PageQueries:
    """What to ask for a page. Queries of one group are merged, the highest score first."""

    groups: Sequence[tuple[Section | None, Sequence[_RangeQuery]]]
    listings: Sequence[Listing]
    limit: int


_Scored = Sequence[tuple[ItemId, float]]


@dataclass(frozen=True)
class _Replies:
    """The store's replies to the first round of queries."""

    members: Mapping[_RangeQuery, _Scored]
    records: Mapping[Listing, Mapping[str, str]]
    tombstones: Mapping[Listing, _Scored]


class ListReader:
    """Reads what pages list. The caller holds the pages' locks."""

    def __init__(self, redis: Redis, public_items: PublicItems, edition: Edition) -> None:
        self._redis = redis
        self._public_items = public_items
        self._site = edition.site
        self._record = edition.record

    async def read(self, pages: Sequence[ListingPage]) -> Mapping[ListingPage, ListContent]:
        """Return what each of the pages lists now."""
        tick = await last_tick(self._redis) if NewsSitemap() in pages else 0
        plans = {page: self._plan(page, tick) for page in pages}
        replies = await self._ask(pages, plans.values())
        months = await self._months_with_items(pages, replies)
        ids = {item_id: None for members in replies.members.values() for item_id, _ in members}
        items = await self._public_items.by_id(ids)
        return {page: self._listed(page, plan, replies, months, items) for page, plan in plans.items()}

    def _plan(self, page: ListingPage, tick: int) -> _PageQueries:
        match page:
            case ListPage(Listing(lang, "home") as home):
                top = [section for section in self._site.sections if "/" not in section.path]
                groups = [(one, [_newest(Listing(lang, "section", one.path), NEWEST_ON_HOME)]) for one in top]
                return _PageQueries(groups, [home], NEWEST_ON_HOME)
            case ListPage(listing):
                return _PageQueries([(None, [_newest(listing, NEWEST_ON_PAGE)])], [listing], NEWEST_ON_PAGE)
            case ListFeeds(listing):
                newest = self._site.feeds.newest
                return _PageQueries([(None, [_RangeQuery(keys.released(listing), newest)])], [listing], newest)
            case LatestFragment(lang):
                columns = [Listing(lang, "section", path) for path in self._site.latest_sections]
                queries = [_newest(column, NEWEST_IN_COLUMN) for column in columns]
                return _PageQueries([(None, queries)], columns, NEWEST_IN_COLUMN)
            case ArchivePage(listing, month, number) | FeedArchive(listing, month, number):
                key = month_key(listing, "archive" if isinstance(page, ArchivePage) else "feed", month)
                first = (number - 1) * ARCHIVE_PLACES + 1
                places = _RangeQuery(key, ARCHIVE_PLACES, first, first + ARCHIVE_PLACES - 1)
                return _PageQueries([(None, [places])], [listing], ARCHIVE_PLACES)
            case NewsSitemap():
                homes = [Listing(lang, "home") for lang in self._site.languages]
                since = tick - span_ms(NEWS_AGE)
                queries = [_RangeQuery(keys.newest(home), NEWEST_IN_NEWS, since) for home in homes]
                return _PageQueries([(None, queries)], homes, NEWEST_IN_NEWS)
            case _:
                assert_never(page)

    async def _ask(self, pages: Sequence[ListingPage], plans: Iterable[_PageQueries]) -> _Replies:
        plans = list(plans)
        queries = list({query: None for plan in plans for _, group in plan.groups for query in group})
        listings = list({listing: None for plan in plans for listing in plan.listings})
        feeds = [page.listing for page in pages if isinstance(page, ListFeeds)]
        pipe = self._redis.pipeline(transaction=False)
        for query in queries:
            pipe.zrevrangebyscore(query.key, query.highest, query.lowest, start=0, num=query.limit, withscores=True)
        for listing in listings:
            pipe.hgetall(keys.listing(listing))
        for listing in feeds:
            pipe.zrange(keys.tombstones(listing), 0, -1, desc=True, withscores=True)
        found = iter(await pipe.execute() if pages else [])
        return _Replies(
            members={query: _scored(next(found)) for query in queries},
            records={listing: next(found) for listing in listings},
            tombstones={listing: _scored(next(found)) for listing in feeds},
        )

    async def _months_with_items(
        self, pages: Sequence[ListingPage], replies: _Replies
    ) -> Mapping[Listing, Sequence[str]]:
        """Return the months of each section's page, newest first, without months whose items have all gone."""
        sections = [page.listing for page in pages if isinstance(page, ListPage) and page.listing.kind == "section"]
        counts = {listing: _counts(replies.records[listing]) for listing in sections}
        # A listing that release 0.1 has changed is counted.
        unknown = [
            (listing, month)
            for listing in sections
            for month in last_of(replies.records[listing], "archive")
            if month not in counts[listing]
        ]
        pipe = self._redis.pipeline(transaction=False)
        for listing, month in unknown:
            pipe.zcard(keys.archive_month(listing, month))
        counted = dict(zip(unknown, await pipe.execute() if unknown else [], strict=True))
        return {
            listing: [
                month
                for month in sorted(last_of(replies.records[listing], "archive"), reverse=True)
                if counts[listing].get(month) or counted.get((listing, month))
            ]
            for listing in sections
        }

    def _listed(
        self,
        page: ListingPage,
        plan: _PageQueries,
        replies: _Replies,
        months: Mapping[Listing, Sequence[str]],
        items: Mapping[ItemId, PublicItem],
    ) -> ListContent:
        groups = []
        for section, queries in plan.groups:
            scored = {item_id: score for query in queries for item_id, score in replies.members[query]}
            order = [item_id for _, item_id in sorted(zip(scored.values(), scored, strict=True), reverse=True)]
            groups.append((section, [items[item_id] for item_id in order[: plan.limit] if item_id in items]))
        records = [replies.records[listing] for listing in plan.listings]
        changes = [int(record["changed"]) for record in records if "changed" in record]
        return ListContent(
            groups,
            changed_at=from_ms(max(changes)) if changes else self._record.born_at,
            months=months.get(page.listing, ()) if isinstance(page, ListPage) else (),
            last_places=_last_places(page, records[0]),
            tombstones=_tombstones(replies.tombstones[page.listing]) if isinstance(page, ListFeeds) else (),
        )


def _last_places(page: ListingPage, record: Mapping[str, str]) -> LastPlaces:
    match page:
        case ArchivePage():
            return last_of(record, "archive")
        case FeedArchive() | ListFeeds():
            return last_of(record, "feed")
        case _:
            return {}


def _counts(record: Mapping[str, str]) -> LastPlaces:
    """Return how many items each month has, unless the listing was changed by a script that does not count."""
    return last_of(record, "count") if record.get("counted") == record.get("changed") else {}


def _newest(listing: Listing, limit: int) -> _RangeQuery:
    return _RangeQuery(keys.newest(listing), limit)


def _scored(rows: Iterable[tuple[Any, Any]]) -> _Scored:  # Any: redis-py's members and scores
    return [(ItemId(str(member)), float(score)) for member, score in rows]


def _tombstones(scored: _Scored) -> Sequence[Tombstone]:
    return [Tombstone(item_id, from_ms(int(score))) for item_id, score in scored]
