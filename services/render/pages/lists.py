"""Pages that list items, made of the items' cached list entries."""

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from services.render.feeds.feed import Feed, atom, feed_head_of, json_feed, rss
from services.render.output.files import File
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
    block_of,
)
from services.render.pages.list_entries import ListEntryCache
from services.render.pages.list_reader import ListContent
from services.render.pages.months import neighbours
from services.render.pages.sitemaps import news_sitemap
from services.render.theme.view_models import Card, archive_path
from shared.model.clock import to_ms
from shared.model.items import PublicItem
from shared.model.listings import Listing
from shared.model.urls import feed_path


class ListPages:
    """Renders pages that list items."""

    def __init__(self, edition: Edition, entries: ListEntryCache) -> None:
        self._site = edition.site
        self._edition = edition
        self._entries = entries

    def files(self, page: ListingPage, listed: ListContent) -> Sequence[File]:
        """Return the page's files; none for a page that does not exist (any more)."""
        theme = self._edition.theme
        match page:
            case ListFeeds(listing):
                return self._feed_files(listing, listed)
            case FeedArchive():
                return self._feed_archive_files(page, listed)
            case ListPage(Listing(lang, "home")):
                groups = [(section, self._cards(items)) for section, items in listed.groups if section and items]
                content = theme.home_page(lang, groups)
            case ListPage(listing):
                if listing.kind == "tag" and not listed.items:
                    return ()
                content = theme.listing_page(listing, self._cards(listed.items), listed.months)
            case ArchivePage(listing, month, number):
                blocks = block_of(listed.last_places.get(month, 0), ARCHIVE_PLACES)
                if number > blocks:
                    return ()
                content = theme.archive_page(
                    listing, month, number, self._cards(listed.items), is_last=number == blocks
                )
            case LatestFragment(lang):
                content = theme.latest_fragment(lang, self._cards(listed.items))
            case NewsSitemap():
                content = news_sitemap(listed.items, self._site, self._edition.base_url)
            case _:
                assert_never(page)
        return [self._file(page.paths[0], content, listed)]

    def _cards(self, items: Sequence[PublicItem]) -> Sequence[Card]:
        return [self._entries.of(item).card for item in items]

    def _feed_files(self, listing: Listing, listed: ListContent) -> Sequence[File]:
        # A tag's feeds stay when its last item has gone, because they tell readers that it has gone.
        if listing.kind == "tag" and not listed.last_places:
            return ()
        months = list(listed.last_places)
        newest = months[-1] if months else None
        feed = Feed(
            head=feed_head_of(listing, self._site, self._edition.base_url, rsscloud=self._edition.rsscloud),
            born=self._edition.record.born_at,
            entries=[self._entries.of(item).feed_entry for item in listed.items],
            tombstones=listed.tombstones,
            prev_archive=newest
            and self._archive(listing, newest, block_of(listed.last_places[newest], ARCHIVE_PLACES)),
        )
        return [
            self._file(feed_path(listing.path, "rss"), rss(feed), listed),
            self._file(feed_path(listing.path, "atom"), atom(feed), listed),
            self._file(feed_path(listing.path, "json"), json_feed(replace(feed, prev_archive=None)), listed),
        ]

    def _feed_archive_files(self, page: FeedArchive, listed: ListContent) -> Sequence[File]:
        listing, month, number = page.listing, page.month, page.number
        if number > block_of(listed.last_places.get(month, 0), ARCHIVE_PLACES):
            return ()
        beside = neighbours(listed.last_places, month, number)
        feed = Feed(
            head=feed_head_of(listing, self._site, self._edition.base_url, rsscloud=self._edition.rsscloud),
            born=self._edition.record.born_at,
            entries=[self._entries.of(item).feed_entry for item in listed.items],
            archive=self._archive(listing, month, number),
            prev_archive=beside.previous and self._archive(listing, *beside.previous),
            next_archive=beside.following and self._archive(listing, *beside.following),
        )
        rss_path, atom_path = page.paths
        return [self._file(rss_path, rss(feed), listed), self._file(atom_path, atom(feed), listed)]

    @staticmethod
    def _archive(listing: Listing, month: str, number: int) -> str:
        return archive_path(listing, month, number)

    @staticmethod
    def _file(path: str, content: bytes, listed: ListContent) -> File:
        return File(path, content, to_ms(listed.changed_at) * 1_000_000)
