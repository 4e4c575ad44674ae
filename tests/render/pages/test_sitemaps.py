"""Sitemaps, the news sitemap and robots.txt."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from lxml import etree
from redis.asyncio import Redis

from services.render.pages.sitemaps import lines_of, sitemap
from services.render.rebuild.verify import Differences
from shared.model.clock import to_ms
from shared.store import keys
from tests.render.newsroom import FIRST_DAY, Press

NAMES = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9", "x": "http://www.w3.org/1999/xhtml"}


def addresses(press: Press, path: str) -> list[str]:
    """Return what a sitemap or the index names, as paths."""
    tree = etree.fromstring(press.text(path).encode())
    found = tree.xpath("//s:loc/text()", namespaces=NAMES)
    assert isinstance(found, list)
    return [str(url).removeprefix(press.settings.base_url) for url in found]


async def test_the_index_names_a_sitemap_for_each_language_and_month(press: Press) -> None:
    await press.newsroom.publish("a")
    await press.newsroom.publish("b", published_at=FIRST_DAY + timedelta(days=40))
    await press.newsroom.publish("c", lang="ru")
    await press.render()

    assert addresses(press, "/sitemap.xml") == [
        "/sitemaps/en/2026-05-1.xml",
        "/sitemaps/en/2026-06-1.xml",
        "/sitemaps/ru/2026-05-1.xml",
    ]
    assert addresses(press, "/sitemaps/en/2026-06-1.xml") == ["/en/news/2026/06/b/"]


async def test_a_sitemap_without_items_is_taken_away_and_out_of_the_index(whole_press: Press, tmp_path: Path) -> None:
    press = whole_press
    await press.newsroom.publish("a")
    await press.newsroom.publish("b", published_at=FIRST_DAY + timedelta(days=40))
    await press.render()

    await press.newsroom.withdraw("b")
    await press.render()

    assert not press.has("/sitemaps/en/2026-06-1.xml")
    assert addresses(press, "/sitemap.xml") == ["/sitemaps/en/2026-05-1.xml"]
    assert await press.differences(tmp_path / "rebuilt") == Differences()


async def test_lastmod_is_the_moment_of_the_public_revision(press: Press) -> None:
    await press.newsroom.publish("a")
    await press.newsroom.publish("b")
    await press.render()
    before = lines_of(press.text("/sitemaps/en/2026-05-1.xml").encode())

    await press.newsroom.publish("a", body="New.")
    await press.render()

    after = lines_of(press.text("/sitemaps/en/2026-05-1.xml").encode())
    assert after[1] > before[1]
    assert after[2] == before[2]


async def test_translations_name_each_other_in_every_sitemap(press: Press) -> None:
    english = await press.newsroom.publish("a", translation_set="one")
    russian = await press.newsroom.publish("b", lang="ru", translation_set="one")
    await press.render()

    for lang in ("en", "ru"):
        tree = etree.fromstring(press.text(f"/sitemaps/{lang}/2026-05-1.xml").encode())
        links = {link.get("hreflang"): link.get("href") for link in tree.iterfind(".//x:link", NAMES)}
        assert links == {
            "en": press.settings.base_url + english.path,
            "ru": press.settings.base_url + russian.path,
        }


def test_the_lines_of_a_sitemap_can_be_read_back() -> None:
    lines = {
        2: "<!--2--><url><loc>https://a.example/b</loc></url>\n",
        1: "<!--1--><url><loc>https://a.example/a</loc></url>\n",
    }

    assert lines_of(sitemap(lines)) == lines
    assert list(lines_of(sitemap(lines))) == [1, 2]


async def test_the_news_sitemap_has_two_days_and_shrinks_as_time_passes(
    whole_press: Press, redis: Redis, tmp_path: Path
) -> None:
    press = whole_press
    now = datetime.now(UTC)
    await press.newsroom.publish("old", published_at=now - timedelta(days=3))
    await press.newsroom.publish("new", published_at=now - timedelta(days=1))
    await press.rendering.ticker.tick()
    await press.render()
    assert [path.rsplit("/", 2)[1] for path in addresses(press, "/news-sitemap.xml")] == ["new"]

    await redis.set(keys.TICK, to_ms(now + timedelta(days=2)))
    await press.rendering.ticker.tick()

    assert addresses(press, "/news-sitemap.xml") == []
    assert await press.differences(tmp_path / "rebuilt") == Differences()


async def test_robots_txt_names_the_sitemaps_and_leaves_searches_alone(press: Press) -> None:
    await press.rendering.rebuild.run()

    text = press.text("/robots.txt")

    assert f"Sitemap: {press.settings.base_url}/sitemap.xml\n" in text
    assert "Disallow: /ru/search/\n" in text
