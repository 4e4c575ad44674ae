"""The site's addresses, and what may stand in one."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.model.urls import item_path, month_of, slug_from_title, slug_problem


@pytest.mark.parametrize(
    ("slug", "is_good"),
    [
        pytest.param("harbour-opens", True, id="words"),
        pytest.param("order-7.1", True, id="dot"),
        pytest.param("a", True, id="one letter"),
        pytest.param("7a", True, id="digit first"),
        pytest.param("", False, id="empty"),
        pytest.param("-a", False, id="hyphen first"),
        pytest.param("a-", False, id="hyphen last"),
        pytest.param("a..b", False, id="two dots"),
        pytest.param(".", False, id="dot alone"),
        pytest.param("A", False, id="capital"),
        pytest.param("a/b", False, id="slash"),
        pytest.param("a b", False, id="space"),
        pytest.param("a\n", False, id="newline"),
        pytest.param("p\u00e4\u00e4", False, id="letter with dots"),
        pytest.param("2026", False, id="digits"),
        pytest.param("\u0663", False, id="digit of another script"),
        pytest.param("tags", False, id="tags"),
        pytest.param("search", False, id="search"),
        pytest.param("page", False, id="page"),
        pytest.param("feed.rss", False, id="feed"),
        pytest.param("index.html", False, id="the file of a page"),
        pytest.param("a" * 200, True, id="as long as may be"),
        pytest.param("a" * 201, False, id="too long"),
        pytest.param("feed.other", False, id="any feed"),
        pytest.param("feeds", True, id="like a feed"),
    ],
)
def test_a_slug_is_lower_case_letters_digits_dots_and_hyphens(slug: str, *, is_good: bool) -> None:
    assert (slug_problem(slug) is None) == is_good


@settings(max_examples=40)
@given(st.text(max_size=300))
def test_every_title_makes_a_slug_that_may_be_chosen(title: str) -> None:
    slug = slug_from_title(title)

    assert slug_problem(slug) is None
    assert len(slug) <= 100


@pytest.mark.parametrize(
    ("moment", "month"),
    [
        pytest.param(datetime(2026, 4, 30, 19, 59, tzinfo=UTC), "202604", id="still April in Baku"),
        pytest.param(datetime(2026, 4, 30, 20, 0, tzinfo=UTC), "202605", id="May already in Baku"),
        pytest.param(datetime(2025, 12, 31, 23, 0, tzinfo=UTC), "202601", id="the new year"),
    ],
)
def test_the_month_is_that_of_the_readers(moment: datetime, month: str) -> None:
    assert month_of(moment, ZoneInfo("Asia/Baku")) == month


def test_an_item_stands_below_its_section_and_month() -> None:
    assert item_path("ru", "documents/orders", "202605", "quay") == "/ru/documents/orders/2026/05/quay/"
