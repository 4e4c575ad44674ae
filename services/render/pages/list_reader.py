"""What list pages list: read for many pages at once, with a handful of questions to the store."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
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
from services.render.pages.months import Last, last_of, month_key
from services.render.pages.public_items import PublicItems
from services.render.pages.ticks import NEWS_AGE, last_tick
from shared.model.clock import from_ms
from shared.model.ids import ItemId
from shared.model.items import PublicItem
from shared.model.listings import Listing
from shared.model.site_file import Section
from shared.store import keys
from shared.store.scripts import load_script

NEWEST_ON_PAGE = 20
NEWEST_ON_HOME = 6
NEWEST_IN_COLUMN = 6
# A news sitemap may name a thousand addresses, and search engines ignore more.
NEWEST_IN_NEWS = 1000


@dataclass(frozen=True)
class Listed:
    """The items of a page in their order: under the top sections on a home page, in one group elsewhere."""

    groups: Sequence[tuple[Section | None, Sequence[PublicItem]]]
    changed_at: datetime
    months: Sequence[str] = ()
    """The months (`yyyymm`) of a section that have items, newest first."""
    last_places: Last = field(default_factory=dict)
    """The last number of each month: of archives on an archive page, of feeds in a feed."""
    tombstones: Sequence[Tombstone] = ()

    @property
    def items(self) -> Sequence[PublicItem]:
        return [item for _, group in self.groups for item in group]


@dataclass(frozen=True)
class _Query:
    """The members of a sorted set with the highest scores, at most `limit`, no score outside `lowest` to `highest`."""

    key: str
    limit: int
    lowest: int | str = "-inf"
    highest: int | str = "+inf"


@dataclass(frozen=True)
class _Plan:
    """What is to be asked for a page; queries of one group are merged, the highest score first."""

    groups: Sequence[tuple[Section | None, Sequence[_Query]]]
    listings: Sequence[Listing]
    limit: int


_Scored = Sequence[tuple[ItemId, float]]


@dataclass(frozen=True)
class _Answers:
    """What the store said to the first round of questions."""

    members: Mapping[_Query, _Scored]
    records: Mapping[Listing, Mapping[str, str]]
    tombstones: Mapping[Listing, _Scored]


class ListReader:
    """Reads what pages list, all of it after the pages' locks were taken."""

    def __init__(self, redis: Redis, public_items: PublicItems, edition: Edition) -> None:
        self._redis = redis
        self._count = load_script(redis, __name__, "count_members.lua")
        self._public_items = public_items
        self._site = edition.site
        self._record = edition.record

    async def read(self, pages: Sequence[ListingPage]) -> Mapping[ListingPage, Listed]:
        """Return what each of the pages lists now."""
        tick = await last_tick(self._redis) if NewsSitemap() in pages else 0
        plans = {page: self._plan(page, tick) for page in pages}
        answers = await self._ask(pages, plans.values())
        months = await self._months_with_items(pages, answers)
        ids = {item_id: None for members in answers.members.values() for item_id, _ in members}
        items = await self._public_items.by_id(ids)
        return {page: self._listed(page, plan, answers, months, items) for page, plan in plans.items()}

    def _plan(self, page: ListingPage, tick: int) -> _Plan:
        match page:
            case ListPage(Listing(lang, "home") as home):
                top = [section for section in self._site.sections if "/" not in section.path]
                groups = [(one, [_newest(Listing(lang, "section", one.path), NEWEST_ON_HOME)]) for one in top]
                return _Plan(groups, [home], NEWEST_ON_HOME)
            case ListPage(listing):
                return _Plan([(None, [_newest(listing, NEWEST_ON_PAGE)])], [listing], NEWEST_ON_PAGE)
            case ListFeeds(listing):
                newest = self._site.feeds.newest
                return _Plan([(None, [_Query(keys.released(listing), newest)])], [listing], newest)
            case LatestFragment(lang):
                columns = [Listing(lang, "section", path) for path in self._site.latest_sections]
                queries = [_newest(column, NEWEST_IN_COLUMN) for column in columns]
                return _Plan([(None, queries)], columns, NEWEST_IN_COLUMN)
            case ArchivePage(listing, month, number) | FeedArchive(listing, month, number):
                key = month_key(listing, "archive" if isinstance(page, ArchivePage) else "feed", month)
                first = (number - 1) * ARCHIVE_PLACES + 1
                places = _Query(key, ARCHIVE_PLACES, first, first + ARCHIVE_PLACES - 1)
                return _Plan([(None, [places])], [listing], ARCHIVE_PLACES)
            case NewsSitemap():
                homes = [Listing(lang, "home") for lang in self._site.languages]
                since = tick - NEWS_AGE // timedelta(milliseconds=1)
                queries = [_Query(keys.newest(home), NEWEST_IN_NEWS, since) for home in homes]
                return _Plan([(None, queries)], homes, NEWEST_IN_NEWS)
            case _:
                assert_never(page)

    async def _ask(self, pages: Sequence[ListingPage], plans: Iterable[_Plan]) -> _Answers:
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
        found = await pipe.execute() if pages else []
        return _Answers(
            members=dict(zip(queries, map(_scored, found), strict=False)),
            records=dict(zip(listings, found[len(queries) :], strict=False)),
            tombstones=dict(zip(feeds, map(_scored, found[len(queries) + len(listings) :]), strict=True)),
        )

    async def _months_with_items(
        self, pages: Sequence[ListingPage], answers: _Answers
    ) -> Mapping[Listing, Sequence[str]]:
        """Return the months of each section's page, newest first; one whose items have all gone is left out."""
        sections = [page.listing for page in pages if isinstance(page, ListPage) and page.listing.kind == "section"]
        wanted = [(one, month) for one in sections for month in last_of(answers.records[one], "archive")]
        counts = await self._count(keys=[keys.archive_month(*one) for one in wanted]) if wanted else []
        months: dict[Listing, list[str]] = {listing: [] for listing in sections}
        for (listing, month), count in zip(wanted, counts, strict=True):
            if count:
                months[listing].insert(0, month)
        return months

    def _listed(
        self,
        page: ListingPage,
        plan: _Plan,
        answers: _Answers,
        months: Mapping[Listing, Sequence[str]],
        items: Mapping[ItemId, PublicItem],
    ) -> Listed:
        groups = []
        for section, queries in plan.groups:
            scored = {item_id: score for query in queries for item_id, score in answers.members[query]}
            order = [item_id for _, item_id in sorted(zip(scored.values(), scored, strict=True), reverse=True)]
            groups.append((section, [items[item_id] for item_id in order[: plan.limit] if item_id in items]))
        records = [answers.records[listing] for listing in plan.listings]
        changes = [int(record["changed"]) for record in records if "changed" in record]
        return Listed(
            groups,
            changed_at=from_ms(max(changes)) if changes else self._record.born_at,
            months=months.get(page.listing, ()) if isinstance(page, ListPage) else (),
            last_places=_last_places(page, records[0]),
            tombstones=_tombstones(answers.tombstones[page.listing]) if isinstance(page, ListFeeds) else (),
        )


def _last_places(page: ListingPage, record: Mapping[str, str]) -> Last:
    match page:
        case ArchivePage():
            return last_of(record, "archive")
        case FeedArchive() | ListFeeds():
            return last_of(record, "feed")
        case _:
            return {}


def _newest(listing: Listing, limit: int) -> _Query:
    return _Query(keys.newest(listing), limit)


def _scored(rows: Iterable[tuple[Any, Any]]) -> _Scored:  # Any: redis-py's members and scores
    return [(ItemId(str(member)), float(score)) for member, score in rows]


def _tombstones(scored: _Scored) -> Sequence[Tombstone]:
    return [Tombstone(item_id, from_ms(int(score))) for item_id, score in scored]
