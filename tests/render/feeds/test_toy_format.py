"""A format of feeds is one module: the format below is known nowhere else, and it works everywhere."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from lxml import html
from redis.asyncio import Redis

from services.render.feeds.entries import EntryContent
from services.render.feeds.feed import Feed, FeedFormat
from services.render.feeds.formats import FEED_FORMATS
from shared.model.ids import item_id
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.receipts import read_receipt
from tests.render.newsroom import Press, a_press, reading
from tests.render.presentation_samples import found


def _entry(content: EntryContent) -> bytes:
    return f"* {content.title} <{content.url}>\n".encode()


def _document(feed: Feed, entries: Sequence[bytes]) -> bytes:
    older = [f"older: {url}\n".encode() for relation, url in feed.archive_links("toy") if relation == "prev-archive"]
    return f"{feed.head.title} at {feed.url('toy')}\n".encode() + b"".join([*entries, *older])


TOY = FeedFormat("toy", "Toy feed", "text/x-toy", has_archives=True, entry=_entry, document=_document)

LISTS = ("/en/", "/en/news/", "/en/tags/sea/")


@pytest.fixture
async def toy_press(redis: Redis, settings: Settings) -> Press:
    """A render service that knows the toy format, over a volume with one item, rendered."""
    press = await a_press(redis, settings, feed_formats=(*FEED_FORMATS, TOY))
    await press.rendering.rebuild.run()
    await press.newsroom.publish("a", title="The harbour opens", tags=("sea",))
    await press.render()
    return press


@pytest.mark.parametrize("path", LISTS)
async def test_every_list_has_a_feed_in_the_format(toy_press: Press, path: str) -> None:
    first, entry, older = toy_press.text(f"{path}feed.toy").splitlines()

    assert first.endswith(f" at {toy_press.settings.base_url}{path}feed.toy")
    assert entry.startswith(f"* The harbour opens <{toy_press.settings.base_url}/en/news/2026/05/a/>")
    archive = older.removeprefix(f"older: {toy_press.settings.base_url}")
    assert "* The harbour opens" in toy_press.text(archive)


@pytest.mark.parametrize("path", [*LISTS, "/en/news/2026/05/a/"])
async def test_every_page_links_to_the_feed(toy_press: Press, path: str) -> None:
    tree = html.document_fromstring(toy_press.text(path))

    (title,) = found(tree, "//head/link[@type = 'text/x-toy']/@title")
    (address,) = found(tree, "//head/link[@type = 'text/x-toy']/@href")
    assert title.endswith(" (Toy feed)")
    assert toy_press.has(address)


async def test_the_feed_is_served_with_its_media_type(toy_press: Press) -> None:
    async with reading(toy_press) as http:
        answer = await http.get("/en/feed.toy")

    assert answer.headers["content-type"] == "text/x-toy; charset=utf-8"
    assert "The harbour opens" in answer.text


async def test_the_announcement_and_the_receipt_name_the_feed(toy_press: Press) -> None:
    entries: Any = await toy_press.redis.xrange(keys.PAGES_STREAM)  # Any: redis-py's reply
    ((_, announced),) = entries
    receipt = await read_receipt(toy_press.redis, item_id("press", "a"), 1)

    assert receipt is not None
    assert {f"{path}feed.toy" for path in LISTS} <= set(json.loads(announced["feeds"]))
    assert {f"{path}feed.toy" for path in LISTS} <= {file.path for file in receipt.shown.files if file.sha256}


async def test_a_rebuild_writes_the_same_feeds_and_sweeps_them_when_the_format_has_gone(
    toy_press: Press, redis: Redis, tmp_path: Path
) -> None:
    assert not await toy_press.differences(tmp_path / "rebuilt")

    plain = await a_press(redis, toy_press.settings)
    await plain.rendering.rebuild.run()

    assert not plain.has("/en/feed.toy")
    assert plain.has("/en/feed.rss")
    assert not await plain.differences(tmp_path / "plain")
