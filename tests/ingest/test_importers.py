"""Importers: each kind of file becomes items, once; what cannot be taken in is told with its reason."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from services.ingest.importers import choosing, feeds, texts
from services.ingest.importers.found import Defaults, Found, FoundItem, Skipped, Unreadable, external_id
from services.ingest.importers.sending import Report, SendingFailedError, send
from shared.server import http_server
from tests.ingest import import_samples as samples
from tests.ingest.conftest import Ingest
from tests.store_contents import store_contents

DEFAULTS = Defaults("press", "en", "news", {"Orders": "documents/orders", "Transport": "documents"})
NOTHING = feeds.Validators()


def a_folder(folder: Path) -> Path:
    for name, text in samples.MARKDOWN.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def a_file(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


SOURCES: list[tuple[str, Callable[[Path], Path], tuple[int, int, int]]] = [
    ("rss", lambda folder: a_file(folder, "feed.xml", samples.RSS), (2, 0, 1)),
    ("atom", lambda folder: a_file(folder, "feed.atom", samples.ATOM), (1, 0, 0)),
    ("json feed", lambda folder: a_file(folder, "feed.json", samples.JSON_FEED), (1, 0, 1)),
    ("wordpress", lambda folder: a_file(folder, "export.xml", samples.WXR), (1, 2, 0)),
    ("ninjs", lambda folder: a_file(folder, "copy.json", samples.NINJS), (1, 1, 0)),
    ("csv", lambda folder: a_file(folder, "orders.csv", samples.CSV), (1, 0, 1)),
    ("markdown", a_folder, (3, 1, 1)),
]


def found_in(path: Path) -> list[Found]:
    return list(choosing.open_source(str(path), "auto", DEFAULTS, NOTHING).found)


def the_item(found: list[Found]) -> dict[str, object]:
    return dict(next(one.item for one in found if isinstance(one, FoundItem)))


async def sent(ingest: Ingest, found: Iterator[Found] | list[Found], *, dry_run: bool = False) -> Report:
    """Send from a thread, as the command does: the service runs in this one."""

    def run() -> Report:
        headers = {"Authorization": ingest.http.headers["authorization"]}
        with httpx.Client(base_url=ingest.settings.base_url, headers=headers) as client:
            return send(found, client, dry_run=dry_run)

    return await asyncio.to_thread(run)


@pytest.mark.parametrize(("make", "counts"), [one[1:] for one in SOURCES], ids=[one[0] for one in SOURCES])
async def test_a_second_import_changes_nothing(
    ingest: Ingest, tmp_path: Path, make: Callable[[Path], Path], counts: tuple[int, int, int]
) -> None:
    (tmp_path / "imported").mkdir()
    path = make(tmp_path / "imported")

    rehearsed = await sent(ingest, found_in(path), dry_run=True)
    nothing_yet = await ingest.events()
    first = await sent(ingest, found_in(path))
    before = await store_contents(ingest.redis)
    second = await sent(ingest, found_in(path))

    assert nothing_yet == []
    assert (first.created, len(first.skipped), len(first.refused)) == counts, first
    assert (rehearsed.created, len(rehearsed.refused)) == (counts[0], counts[2])
    assert (second.changed, second.unchanged) == (0, counts[0])
    assert await store_contents(ingest.redis) == before


def test_an_rss_entry_becomes_an_item(tmp_path: Path) -> None:
    item = the_item(found_in(a_file(tmp_path, "feed.xml", samples.RSS)))

    assert item == {
        "source": "press",
        "external_id": external_id("https://harbour.example/?p=1"),
        "lang": "en",
        "section": "documents/orders",
        "title": "The pier & the quay",
        "summary": "In short.",
        "body": "<p>The pier is <b>open</b>.</p>",
        "body_format": "html",
        "published_at": "2026-05-22T10:47:00+00:00",
        "tags": ["sea-traffic", "orders"],
        "authors": ["Ann Archer"],
        "images": [{"url": "https://harbour.example/pier.jpg", "alt": ""}],
        "attachments": [
            {
                "url": "https://harbour.example/plan.pdf",
                "title": "plan.pdf",
                "media_type": "application/pdf",
                "size_bytes": 1200,
            }
        ],
    }


def test_a_wordpress_post_becomes_an_item_and_no_entity_is_read(tmp_path: Path) -> None:
    found = found_in(a_file(tmp_path, "export.xml", samples.WXR))

    assert the_item(found) == {
        "source": "press",
        "external_id": "wordpress-11",
        "lang": "en",
        "section": "documents/orders",
        "title": "Ferry timetable",
        "summary": "Hourly.",
        "body": "<p>Every hour.</p>",
        "body_format": "html",
        "published_at": "2026-05-22T10:47:00+00:00",
        "tags": ["ferry"],
        "authors": ["ann"],
        "slug": "ferry-timetable",
    }
    assert [one.reason for one in found if isinstance(one, Skipped)] == [
        "is not public but draft",
        "is of the kind attachment",
    ]


def test_agency_copy_becomes_an_item(tmp_path: Path) -> None:
    item = the_item(found_in(a_file(tmp_path, "copy.json", samples.NINJS)))

    assert (item["lang"], item["section"], item["place"]) == ("en", "documents", "Baku")
    assert item["images"] == [
        {"url": "https://agency.example/l.jpg", "alt": "The bridge", "width": 1000, "height": 500}
    ]


def test_a_row_of_a_table_becomes_an_item(tmp_path: Path) -> None:
    found = found_in(a_file(tmp_path, "orders.csv", samples.CSV))

    item = the_item(found)
    assert (item["document"], item["tags"]) == ({"number": "17"}, ["night", "sea"])
    assert item["body"] == "Light them,\nevery one."
    assert found[1] == Unreadable("line 4", "has no external_id")


def test_a_markdown_file_becomes_an_item(tmp_path: Path) -> None:
    by_title = {one.item["title"]: one.item for one in found_in(a_folder(tmp_path)) if isinstance(one, FoundItem)}

    tide = by_title["Tide table"]
    assert (tide["external_id"], tide["body"], tide["authors"]) == ("2026:tide", "High at *nine*.", ["Ann Archer"])
    assert (tide["published_at"], tide["tags"]) == ("2026-05-22T00:00:00+00:00", ["sea", "night-work"])
    assert by_title["A heading first"]["body"] == "And its text."
    assert by_title["From TOML"]["lang"] == "ru"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"<html><body>no feed</body></html>", id="a page"),
        pytest.param(b'{"version": "1"}', id="other JSON"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_what_is_no_feed_is_told(content: bytes) -> None:
    with pytest.raises(feeds.UnreadableFeedError):
        list(feeds.read(content, DEFAULTS))


@pytest.mark.parametrize(
    ("markup", "line"),
    [
        pytest.param("<b>Bold</b> &amp; plain", "Bold & plain", id="markup"),
        pytest.param("Two\nlines\t here", "Two lines here", id="white space"),
        pytest.param("left \u202egnp.exe", "left gnp.exe", id="writing direction"),
        pytest.param(None, "", id="none"),
    ],
)
def test_a_title_becomes_one_line(markup: str | None, line: str) -> None:
    assert texts.one_line(markup) == line


@contextlib.asynccontextmanager
async def feed_server(asked: list[dict[str, str]]) -> AsyncIterator[str]:
    """Serve a feed with a validator, as an institution's web server does."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        asked.append(headers)
        known = headers.get("if-none-match") == '"v1"'
        await send({"type": "http.response.start", "status": 304 if known else 200, "headers": [(b"etag", b'"v1"')]})
        await send({"type": "http.response.body", "body": b"" if known else samples.RSS.encode()})

    async with http_server(app, "127.0.0.1", 0) as port:
        yield f"http://127.0.0.1:{port}/feed"


async def test_a_feed_that_did_not_change_is_not_sent_again(tmp_path: Path) -> None:
    asked: list[dict[str, str]] = []
    kept = feeds.ValidatorFile(tmp_path / "state" / "feeds.json")

    async with feed_server(asked) as url:
        first = await asyncio.to_thread(choosing.open_source, url, "auto", DEFAULTS, kept.of(url))
        assert first.validators is not None
        kept.keep(url, first.validators)
        second = await asyncio.to_thread(choosing.open_source, url, "auto", DEFAULTS, kept.of(url))

    assert len(list(first.found)) == 3
    assert second.is_unchanged
    assert "if-none-match" not in asked[0]
    assert asked[1]["if-none-match"] == '"v1"'


async def test_a_key_that_opens_nothing_ends_an_import(ingest: Ingest, tmp_path: Path) -> None:
    ingest.http.headers["authorization"] = "Bearer clk_unknown"

    with pytest.raises(SendingFailedError, match="401"):
        await sent(ingest, found_in(a_file(tmp_path, "feed.xml", samples.RSS)))


async def test_what_the_service_refuses_is_told_with_its_reason(ingest: Ingest, tmp_path: Path) -> None:
    lines = '{"external_id": "a", "title": "A", "body": "x", "section": "sport"}\nnot json\n'

    report = await sent(ingest, found_in(a_file(tmp_path, "items.ndjson", lines)))

    assert [(one.origin, one.reason.partition(":")[0]) for one in report.refused] == [
        ("line 2", "is not JSON"),
        ("line 1 (a)", "/section"),
    ]
