"""Pages that list items: what stands in them, and their files."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from services.render.edition import Edition
from services.render.feeds import Feed, atom, feed_head_of, json_feed, rss
from services.render.files import File
from services.render.page_data import Card
from services.render.pages import LatestFragment, ListFeeds, ListingPage, ListPage
from services.render.pieces import PieceCache
from shared.clock import to_ms
from shared.ids import ItemId
from shared.item_store import ItemStore
from shared.items import PublicItem
from shared.listings import Listing
from shared.site_file import Section
from shared.urls import feed_path

NEWEST_ON_PAGE = 20
NEWEST_ON_HOME = 6
NEWEST_IN_COLUMN = 6


@dataclass(frozen=True)
class Listed:
    """The items of a page in their order: under the top sections on a home page, in one group elsewhere."""

    groups: Sequence[tuple[Section | None, Sequence[PublicItem]]]
    changed_at: datetime

    @property
    def items(self) -> Sequence[PublicItem]:
        return [item for _, group in self.groups for item in group]


class ListPages:
    """Reads what a page lists, and renders it from the items' ready pieces."""

    def __init__(self, store: ItemStore, edition: Edition, pieces: PieceCache) -> None:
        self._store = store
        self._site = edition.site
        self._edition = edition
        self._pieces = pieces

    async def read(self, page: ListingPage) -> Listed:
        """Return what the page lists now."""
        match page:
            case ListPage(Listing(_, "home")):
                return await self._read_home(page.listing)
            case ListPage(listing):
                return await self._one_group([listing], await self._store.newest(listing, NEWEST_ON_PAGE))
            case ListFeeds(listing):
                return await self._one_group([listing], await self._store.released(listing, self._site.feeds.newest))
            case LatestFragment(lang):
                columns = [Listing(lang, "section", path) for path in self._site.latest_sections]
                return await self._one_group(columns, await self._store.newest_of(columns, NEWEST_IN_COLUMN))
            case _:
                assert_never(page)

    async def _read_home(self, home: Listing) -> Listed:
        changed_at = await self._changed_at([home])
        groups = []
        for section in self._site.sections:
            if "/" not in section.path:
                newest = await self._store.newest(Listing(home.lang, "section", section.path), NEWEST_ON_HOME)
                groups.append((section, await self._store.public_items(newest)))
        return Listed(groups, changed_at)

    async def _one_group(self, listings: Sequence[Listing], ids: Sequence[ItemId]) -> Listed:
        return Listed([(None, await self._store.public_items(ids))], await self._changed_at(listings))

    async def _changed_at(self, listings: Sequence[Listing]) -> datetime:
        return await self._store.changed_at(listings) or self._edition.record.born_at

    def files(self, page: ListingPage, listed: Listed) -> Sequence[File]:
        """Return the page's files; none for a tag that no item has any more."""
        theme = self._edition.theme
        match page:
            case ListFeeds(listing):
                return self._feed_files(listing, listed) if self._exists(listing, listed) else ()
            case ListPage(Listing(lang, "home")):
                groups = [(section, self._cards(items)) for section, items in listed.groups if section and items]
                return [self._file(page.paths[0], theme.home_page(lang, groups), listed)]
            case ListPage(listing):
                if not self._exists(listing, listed):
                    return ()
                return [self._file(page.paths[0], theme.listing_page(listing, self._cards(listed.items)), listed)]
            case LatestFragment(lang):
                return [self._file(page.paths[0], theme.latest_fragment(lang, self._cards(listed.items)), listed)]
            case _:
                assert_never(page)

    @staticmethod
    def _exists(listing: Listing, listed: Listed) -> bool:
        return listing.kind != "tag" or bool(listed.items)

    def _cards(self, items: Sequence[PublicItem]) -> Sequence[Card]:
        return [self._pieces.of(item).card for item in items]

    def _feed_files(self, listing: Listing, listed: Listed) -> Sequence[File]:
        feed = Feed(
            head=feed_head_of(listing, self._site, self._edition.base_url),
            born=self._edition.record.born_at,
            entries=[self._pieces.of(item).feed_entry for item in listed.items],
        )
        return [
            self._file(feed_path(listing.path, "rss"), rss(feed), listed),
            self._file(feed_path(listing.path, "atom"), atom(feed), listed),
            self._file(feed_path(listing.path, "json"), json_feed(feed), listed),
        ]

    @staticmethod
    def _file(path: str, content: bytes, listed: Listed) -> File:
        return File(path, content, to_ms(listed.changed_at) * 1_000_000)
