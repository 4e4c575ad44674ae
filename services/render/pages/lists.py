"""Pages that list items, made of the items' cached list entries."""

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from services.render.feeds.feed import Feed, feed_head_of
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
    paths_of,
)
from services.render.pages.list_entries import ListEntryCache
from services.render.pages.list_reader import ListContent
from services.render.pages.months import neighbours
from services.render.pages.sitemaps import news_sitemap
from services.render.theme.view_models import Card, archive_path
from shared.model.clock import to_ms
from shared.model.items import PublicItem
from shared.model.listings import Listing


class ListPages:
    """Renders pages that list items."""

    def __init__(self, edition: Edition, entries: ListEntryCache) -> None:
        self._site = edition.site
        self._edition = edition
        self._feed_formats = edition.feed_formats
        self._entries = entries

    def paths(self, page: ListingPage) -> tuple[str, ...]:
        """Return where the page's files lie while it exists; the first path names its lock."""
        return paths_of(page, self._feed_formats)

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
        return [self._file(page.path, content, listed)]

    def _cards(self, items: Sequence[PublicItem]) -> Sequence[Card]:
        return [self._entries.of(item).card for item in items]

    def _feed_files(self, listing: Listing, listed: ListContent) -> Sequence[File]:
        # A tag's feeds stay when its last item has gone, because they tell readers that it has gone.
        if listing.kind == "tag" and not listed.last_places:
            return ()
        feed = self._feed(listing, listed)
        if listed.last_places:
            month, last = list(listed.last_places.items())[-1]
            feed = replace(feed, prev_archive=archive_path(listing, month, block_of(last, ARCHIVE_PLACES)))
        without_archive = replace(feed, prev_archive=None)
        return [
            self._file(path, one.render(feed if one.has_archives else without_archive), listed)
            for one, path in zip(self._feed_formats, self.paths(ListFeeds(listing)), strict=True)
        ]

    def _feed_archive_files(self, page: FeedArchive, listed: ListContent) -> Sequence[File]:
        listing, month, number = page.listing, page.month, page.number
        if number > block_of(listed.last_places.get(month, 0), ARCHIVE_PLACES):
            return ()
        beside = neighbours(listed.last_places, month, number)
        feed = replace(
            self._feed(listing, listed),
            archive=archive_path(listing, month, number),
            prev_archive=beside.previous and archive_path(listing, *beside.previous),
            next_archive=beside.following and archive_path(listing, *beside.following),
        )
        formats = [one for one in self._feed_formats if one.has_archives]
        return [self._file(path, one.render(feed), listed) for one, path in zip(formats, self.paths(page), strict=True)]

    def _feed(self, listing: Listing, listed: ListContent) -> Feed:
        return Feed(
            head=feed_head_of(listing, self._site, self._edition.base_url, rsscloud=self._edition.rsscloud),
            born=self._edition.record.born_at,
            entries=[self._entries.of(item).feed_entry for item in listed.items],
            tombstones=listed.tombstones,
        )

    @staticmethod
    def _file(path: str, content: bytes, listed: ListContent) -> File:
        return File(path, content, to_ms(listed.changed_at) * 1_000_000)
