"""No two pages share a file, and no page's file is another's folder."""

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from services.ingest.contract.item_body import Tag
from services.render.feeds.formats import FEED_FORMATS
from services.render.output.volume import Output
from services.render.pages.kinds import (
    ROBOTS,
    SITEMAP_INDEX,
    ArchivePage,
    FeedArchive,
    LatestFragment,
    ListFeeds,
    ListingPage,
    ListPage,
    NewsSitemap,
    Sitemap,
    paths_of,
)
from services.render.theme.standing_pages import StandingPage
from shared.model.listings import Listing
from shared.model.site_file import Section
from shared.model.urls import item_path, search_path, slug_problem

MONTHS = ("202611", "202612")
# Names that pages of ours have for files and folders, and some that anybody may choose.
NAMES = (
    *("index.html", "latest.html", "feed.rss", "feed.atom", "feed.json", "feed", "page", "tags", "search", "static"),
    *("media", "sitemaps", "sitemap.xml", "news-sitemap.xml", "robots.txt", "2026-11-1.xml", "2026", "11", "1", "2"),
    *("en", "a", "a-2", "news", "orders", "con", "x" * 200, "x" * 201, "x" * 255, "x" * 256),
)
names = st.sampled_from(NAMES) | st.from_regex(r"[a-z0-9.-]{1,8}", fullmatch=True)


def _is_section(path: str) -> bool:
    try:
        Section(path=path, kind="article", name={})
    except ValidationError:
        return False
    return True


def _is_tag(name: str) -> bool:
    try:
        TypeAdapter(Tag).validate_python(name)
    except ValidationError:
        return False
    return True


sections = st.lists(names, min_size=1, max_size=3).map("/".join).filter(_is_section)
slugs = names.filter(lambda name: slug_problem(name) is None)
tags = names.filter(_is_tag)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Output:
    return Output(tmp_path_factory.mktemp("output"))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sections=st.sets(sections, min_size=1, max_size=4),
    slugs=st.sets(slugs, max_size=6),
    tags=st.sets(tags, max_size=4),
    standing=st.sets(slugs, max_size=3),
)
def test_no_two_pages_share_a_file_or_a_file_and_a_folder(
    output: Output, sections: set[str], slugs: set[str], tags: set[str], standing: set[str]
) -> None:
    listings = [Listing("en", "home"), *(Listing("en", "tag", tag) for tag in tags)]
    listings += [Listing("en", "section", section) for section in sections]

    pages: list[ListingPage | Sitemap] = [NewsSitemap(), LatestFragment("en")]
    for listing in listings:
        pages += [ListPage(listing), ListFeeds(listing)]
        for month in MONTHS:
            pages += [FeedArchive(listing, month, number) for number in (1, 2)]
            pages += [ArchivePage(listing, month, number) for number in (1, 2) if listing.kind == "section"]
    pages += [Sitemap("en", month, number) for month in MONTHS for number in (1, 2)]
    paths = [
        SITEMAP_INDEX,
        ROBOTS,
        search_path("en"),
        *(path for page in pages for path in paths_of(page, FEED_FORMATS)),
    ]
    # The site file refuses a standing page with the address of a section.
    paths += [StandingPage("en", slug, "", "").path for slug in standing - {one.split("/")[0] for one in sections}]
    paths += [item_path("en", section, month, slug) for section in sections for month in MONTHS for slug in slugs]

    _assert_apart({path: output.file_of(path) for path in paths}, len(paths))


def _assert_apart(files: dict[str, Path], pages: int) -> None:
    assert len(files) == pages, "two pages have one address"
    by_file: dict[Path, str] = {}
    for path, file in files.items():
        assert by_file.setdefault(file, path) == path
        assert max(len(part) for part in PurePosixPath(path).parts) < 255
    for file in by_file:
        assert not by_file.keys() & set(file.parents)
