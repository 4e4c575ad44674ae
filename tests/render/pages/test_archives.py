"""Month archives and archived feeds: numbered places, so that a page once full changes no more."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import feedparser  # type: ignore[import-untyped]
import pytest
from lxml import etree, html
from redis.asyncio import Redis

from services.render.output.volume import Output
from services.render.pages.months import Neighbours, neighbours
from services.render.rebuild.verify import Differences
from tests.render.newsroom import FIRST_DAY, Press, a_press

NOTHING = Differences()


@pytest.mark.parametrize(
    ("month", "number", "beside"),
    [
        pytest.param("202601", 1, Neighbours(None, ("202601", 2)), id="the first of all"),
        pytest.param("202601", 2, Neighbours(("202601", 1), ("202603", 1)), id="over months without any"),
        pytest.param("202603", 1, Neighbours(("202601", 2), ("202604", 1)), id="between months"),
        pytest.param("202604", 1, Neighbours(("202603", 1), None), id="the last of all"),
    ],
)
def test_the_blocks_beside_one_are(month: str, number: int, beside: Neighbours) -> None:
    last = {"202601": 101, "202603": 100, "202604": 1}

    assert neighbours(last, month, number) == beside


async def test_a_month_has_a_page_for_every_hundred_places_newest_first(whole_press: Press, tmp_path: Path) -> None:
    press = whole_press
    for number in range(205):
        await press.newsroom.publish(f"item-{number:03}", body=".", published_at=FIRST_DAY + timedelta(minutes=number))
    await press.render()

    first, second, third = (_titles(press, f"/en/news/2026/05/{page}") for page in ("", "page/2/", "page/3/"))

    assert first == [f"Item item-{number:03}" for number in range(99, -1, -1)]
    assert second == [f"Item item-{number:03}" for number in range(199, 99, -1)]
    assert third == [f"Item item-{number:03}" for number in range(204, 199, -1)]
    assert _links(press, "/en/news/2026/05/page/2/") == ("/en/news/2026/05/", "/en/news/2026/05/page/3/")
    assert _links(press, "/en/news/2026/05/page/3/") == ("/en/news/2026/05/page/2/", None)
    assert "/en/news/2026/05/" in press.text("/en/news/")
    assert await press.differences(tmp_path / "rebuilt") == NOTHING


def _titles(press: Press, path: str) -> list[str]:
    titles = html.document_fromstring(press.text(path)).xpath("//ul[@class='cards']//h2/a/text()")
    assert isinstance(titles, list)
    return [str(title) for title in titles]


def _links(press: Press, path: str) -> tuple[str | None, str | None]:
    tree = html.document_fromstring(press.text(path))
    found = {link.get("rel"): link.get("href") for link in tree.iter("a") if link.get("rel") in {"prev", "next"}}
    return found.get("prev"), found.get("next")


async def test_a_withdrawal_leaves_a_gap_and_moves_nothing(whole_press: Press, tmp_path: Path) -> None:
    press = whole_press
    for number in range(102):
        await press.newsroom.publish(f"item-{number:03}", body=".", published_at=FIRST_DAY + timedelta(minutes=number))
    await press.render()
    second = press.text("/en/news/2026/05/page/2/")

    await press.newsroom.withdraw("item-000")
    await press.newsroom.publish("late", body=".", published_at=FIRST_DAY)
    await press.render()

    assert len(_titles(press, "/en/news/2026/05/")) == 99
    assert press.text("/en/news/2026/05/page/2/") != second
    assert _titles(press, "/en/news/2026/05/page/2/")[0] == "Item late"
    assert await press.differences(tmp_path / "rebuilt") == NOTHING


async def test_a_month_whose_items_have_all_gone_is_linked_no_more(whole_press: Press, tmp_path: Path) -> None:
    press = whole_press
    await press.newsroom.publish("a")
    await press.newsroom.publish("b", published_at=FIRST_DAY + timedelta(days=40))
    await press.render()

    await press.newsroom.withdraw("a")
    await press.render()

    assert 'href="/en/news/2026/05/"' not in press.text("/en/news/")
    assert 'href="/en/news/2026/06/"' in press.text("/en/news/")
    assert await press.differences(tmp_path / "rebuilt") == NOTHING


async def test_following_prev_archive_reaches_every_item_that_is_public(whole_press: Press, tmp_path: Path) -> None:
    press = whole_press
    for number in range(230):
        await press.newsroom.publish(f"item-{number:03}", body=".", tags=("sea",))
    await press.render()
    await press.newsroom.withdraw("item-007")
    await press.newsroom.publish("item-100", tags=())
    await press.render()
    wanted = {f"Item item-{number:03}" for number in range(230)} - {"Item item-007"}

    for listing, expected in (("/en/", wanted), ("/en/news/", wanted), ("/en/tags/sea/", wanted - {"Item item-100"})):
        for feed_format in ("rss", "atom"):
            assert _walked(press, f"{listing}feed.{feed_format}") == expected, (listing, feed_format)
    assert await press.differences(tmp_path / "rebuilt") == NOTHING


def _walked(press: Press, path: str | None) -> set[str]:
    """Follow the archive from the feed that readers subscribe to, and back, and return all the titles."""
    titles: set[str] = set()
    newer = None
    while path is not None:
        content = press.text(path)
        feed = feedparser.parse(content.encode())
        assert not feed.bozo
        links = {link["rel"]: link["href"].removeprefix(press.settings.base_url) for link in feed.feed.links}
        if "current" in links:
            assert links.get("next-archive") == newer
            newer = path
        titles |= {entry.title for entry in feed.entries}
        path = links.get("prev-archive")
    return titles


async def test_a_full_archive_document_changes_no_more(press: Press) -> None:
    for number in range(101):
        await press.newsroom.publish(f"item-{number:03}", body=".")
    await press.render()
    (first,) = [path for path in Output(press.settings.output_dir).paths() if _is_first_archive(path)]
    before = press.text(first)
    await press.newsroom.publish("another")
    await press.render()

    assert press.text(first) == before
    assert "<fh:archive/>" in before
    assert len(etree.fromstring(before.encode()).findall("{http://www.w3.org/2005/Atom}entry")) == 100


def _is_first_archive(path: str) -> bool:
    return path.startswith("/en/2") and path.endswith("/feed.atom") and "/page/" not in path


async def test_an_item_keeps_its_months_when_the_time_zone_changes(press: Press, redis: Redis, tmp_path: Path) -> None:
    site_file = tmp_path / "site.toml"
    site_file.write_text(site_file.read_text().replace("Asia/Baku", "Atlantic/Azores"))
    azores = await a_press(redis, press.settings)
    at_the_turn = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
    for name in ("gone", "revised", "redated"):
        await azores.newsroom.publish(name, title=f"Title of {name}", published_at=at_the_turn)
    await azores.render()
    await azores.rendering.rebuild.run_if_needed()
    assert "Title of gone" in azores.text("/en/news/2026/10/")
    site_file.write_text(site_file.read_text().replace("Atlantic/Azores", "Europe/Berlin"))
    berlin = await a_press(redis, press.settings)
    await berlin.rendering.rebuild.run_if_needed()

    await berlin.newsroom.withdraw("gone")
    await berlin.newsroom.publish("revised", title="Another title")
    await berlin.newsroom.publish("redated", published_at=at_the_turn + timedelta(minutes=1))
    await berlin.render()

    assert "Title of" not in berlin.text("/en/news/2026/10/")
    assert "Another title" in berlin.text("/en/news/2026/10/")
    assert "Title of redated" in berlin.text("/en/news/2026/11/")
    assert "/gone/" not in berlin.text("/sitemaps/en/2026-10-1.xml")
    assert await berlin.differences(tmp_path / "rebuilt") == NOTHING
