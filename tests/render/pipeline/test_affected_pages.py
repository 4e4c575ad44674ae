"""Which pages a change of an item concerns."""

from typing import Any

import pytest

from services.render.pages.kinds import (
    ArchivePage,
    FeedArchive,
    LatestFragment,
    ListFeeds,
    ListPage,
    MonthPlace,
    NewsSitemap,
    SitemapLine,
)
from services.render.pipeline.affected_pages import Change, lists_concerned, paths_concerned
from shared.model.listings import Listing
from tests.render.presentation_samples import a_site, an_item

SITE = a_site()
HOME = Listing("en", "home")
NEWS = Listing("en", "section", "news")
DOCUMENTS = Listing("en", "section", "documents")
ORDERS = Listing("en", "section", "documents/orders")
SEA = Listing("en", "tag", "sea")


def revision(**changes: Any) -> Change:  # Any: see an_item
    return Change((an_item(**changes).revision,))


@pytest.mark.parametrize(
    ("change", "pages"),
    [
        pytest.param(
            revision(),
            {ListPage(HOME), ListFeeds(HOME), ListPage(NEWS), ListFeeds(NEWS), NewsSitemap()},
            id="an article: home and its section",
        ),
        pytest.param(
            revision(tags=("sea",)),
            {ListPage(one) for one in (HOME, NEWS, SEA)}
            | {ListFeeds(one) for one in (HOME, NEWS, SEA)}
            | {NewsSitemap()},
            id="a tag: its page and feeds too",
        ),
        pytest.param(
            revision(section="documents/orders"),
            {ListPage(one) for one in (HOME, DOCUMENTS, ORDERS)}
            | {ListFeeds(one) for one in (HOME, DOCUMENTS, ORDERS)}
            | {LatestFragment("en"), NewsSitemap()},
            id="a section below another: both, and the column of the upper one",
        ),
        pytest.param(
            Change((an_item().revision, an_item(section="documents").revision)),
            {ListPage(one) for one in (HOME, NEWS, DOCUMENTS)}
            | {ListFeeds(one) for one in (HOME, NEWS, DOCUMENTS)}
            | {LatestFragment("en"), NewsSitemap()},
            id="a move: the section it left and the one it entered",
        ),
        pytest.param(
            Change((an_item(tags=("sea",)).revision,), is_seen_in_lists=False),
            {ListFeeds(HOME), ListFeeds(NEWS), ListFeeds(SEA)},
            id="nothing that lists show: feeds only",
        ),
        pytest.param(Change(()), set(), id="an item that is no more: nothing"),
    ],
)
def test_the_lists_of_a_change_are(change: Change, pages: set[object]) -> None:
    assert lists_concerned([change], SITE) == pages


@pytest.mark.parametrize(
    ("place", "pages"),
    [
        pytest.param(
            MonthPlace(NEWS, "archive", "202605", 1), {ArchivePage(NEWS, "202605", 1)}, id="first place of a month"
        ),
        pytest.param(
            MonthPlace(NEWS, "archive", "202605", 100), {ArchivePage(NEWS, "202605", 1)}, id="last place of a page"
        ),
        pytest.param(
            MonthPlace(NEWS, "archive", "202605", 101),
            {ArchivePage(NEWS, "202605", 2), ArchivePage(NEWS, "202605", 1)},
            id="first place of the next page: the page before links to it",
        ),
        pytest.param(
            MonthPlace(NEWS, "archive", "202605", 102), {ArchivePage(NEWS, "202605", 2)}, id="second place of a page"
        ),
        pytest.param(MonthPlace(SEA, "archive", "202605", 7), set(), id="tags have no month archive"),
        pytest.param(
            MonthPlace(HOME, "archive", "202605", 1001),
            {SitemapLine("en", "202605", 1001)},
            id="home: a sitemap's line",
        ),
        pytest.param(
            MonthPlace(SEA, "feed", "202605", 101), {FeedArchive(SEA, "202605", 2)}, id="feeds of any listing"
        ),
    ],
)
def test_the_pages_of_a_numbered_place_are(place: MonthPlace, pages: set[object]) -> None:
    assert lists_concerned([Change((), frozenset([place]))], SITE) == pages


def test_what_no_list_shows_leaves_archive_pages_alone_and_renews_feeds_and_sitemaps() -> None:
    places = frozenset(
        [
            MonthPlace(NEWS, "archive", "202605", 1),
            MonthPlace(NEWS, "feed", "202605", 1),
            MonthPlace(HOME, "archive", "202605", 1),
        ]
    )

    pages = lists_concerned([Change((), places, is_seen_in_lists=False)], SITE)

    assert pages == {FeedArchive(NEWS, "202605", 1), SitemapLine("en", "202605", 1)}


def test_pages_that_several_changes_concern_are_named_once() -> None:
    one, other = Change((an_item("1").revision,)), Change((an_item("2").revision,))

    assert lists_concerned([one, other], SITE) == lists_concerned([one], SITE)
    assert paths_concerned([one, other]) == {"/en/news/2023/07/item-1/", "/en/news/2023/07/item-2/"}


def test_the_paths_of_a_change_are_the_old_and_the_new() -> None:
    change = Change((an_item(path="/en/news/2023/07/old/").revision, an_item(path="/en/news/2023/07/new/").revision))

    assert paths_concerned([change]) == {"/en/news/2023/07/old/", "/en/news/2023/07/new/"}
