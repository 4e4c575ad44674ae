"""Importers: each kind of file becomes items, once; what cannot be taken in is told with its reason."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from services.ingest import importers
from services.ingest.importers.base import ItemEntry, RefusedEntry, SkippedEntry, SourceEntry, external_id
from services.ingest.importers.fetching import ValidatorFile
from services.ingest.importers.sending import ImportReport, SendingFailedError, send
from shared.http.server import http_server
from tests.cli.command_acts import answered, run
from tests.ingest.importers import import_samples as samples
from tests.ingest.importers.import_acts import a_file, a_folder, entries_of, read_source, the_item
from tests.ingest_service import Ingest
from tests.store_contents import store_contents

SOURCES: list[tuple[str, Callable[[Path], Path], tuple[int, int, int]]] = [
    ("rss", lambda folder: a_file(folder, "feed.xml", samples.RSS), (2, 0, 1)),
    ("atom", lambda folder: a_file(folder, "feed.atom", samples.ATOM), (1, 0, 0)),
    ("json feed", lambda folder: a_file(folder, "feed.json", samples.JSON_FEED), (1, 0, 1)),
    ("wordpress", lambda folder: a_file(folder, "export.xml", samples.WXR), (1, 2, 0)),
    ("ninjs", lambda folder: a_file(folder, "copy.json", samples.NINJS), (1, 1, 0)),
    ("csv", lambda folder: a_file(folder, "orders.csv", samples.CSV), (1, 0, 1)),
    ("markdown", a_folder, (3, 1, 1)),
    ("odd rss", lambda folder: a_file(folder, "feed.xml", samples.ODD_RSS), (3, 1, 1)),
    ("odd atom", lambda folder: a_file(folder, "feed.atom", samples.ODD_ATOM), (2, 0, 0)),
    ("odd json feed", lambda folder: a_file(folder, "feed.json", samples.ODD_JSON_FEED), (2, 1, 1)),
    ("odd wordpress", lambda folder: a_file(folder, "export.xml", samples.ODD_WXR), (1, 1, 1)),
    ("odd ninjs", lambda folder: a_file(folder, "copy.json", samples.ODD_NINJS), (2, 0, 2)),
    ("odd csv", lambda folder: a_file(folder, "orders.csv", samples.ODD_CSV), (2, 1, 1)),
    ("odd markdown", lambda folder: a_folder(folder, samples.ODD_MARKDOWN), (3, 1, 2)),
]


async def sent(ingest: Ingest, entries: list[SourceEntry], *, dry_run: bool = False) -> ImportReport:
    """Send from a thread, as the command does: the service runs in this one."""

    def run() -> ImportReport:
        headers = {"Authorization": ingest.http.headers["authorization"]}
        with httpx.Client(base_url=ingest.settings.base_url, headers=headers) as client:
            return send(iter(entries), client, lambda _: None, dry_run=dry_run)

    return await asyncio.to_thread(run)


@pytest.mark.parametrize(("make", "counts"), [one[1:] for one in SOURCES], ids=[one[0] for one in SOURCES])
async def test_a_second_import_changes_nothing(
    ingest: Ingest, tmp_path: Path, make: Callable[[Path], Path], counts: tuple[int, int, int]
) -> None:
    (tmp_path / "imported").mkdir()
    path = make(tmp_path / "imported")

    rehearsed = await sent(ingest, entries_of(path), dry_run=True)
    nothing_yet = await ingest.events()
    first = await sent(ingest, entries_of(path))
    before = await store_contents(ingest.redis)
    second = await sent(ingest, entries_of(path))

    assert nothing_yet == []
    assert (first.created, len(first.skipped), len(first.refused)) == counts, first
    assert (rehearsed.created, len(rehearsed.refused)) == (counts[0], counts[2])
    assert (second.changed, second.unchanged) == (0, counts[0])
    assert await store_contents(ingest.redis) == before


def test_an_rss_entry_becomes_an_item(tmp_path: Path) -> None:
    item = the_item(entries_of(a_file(tmp_path, "feed.xml", samples.RSS)))

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
    found = entries_of(a_file(tmp_path, "export.xml", samples.WXR))

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
    assert [one.reason for one in found if isinstance(one, SkippedEntry)] == [
        "is not public but draft",
        "is of the kind attachment",
    ]


def test_agency_copy_becomes_an_item(tmp_path: Path) -> None:
    item = the_item(entries_of(a_file(tmp_path, "copy.json", samples.NINJS)))

    assert (item["lang"], item["section"], item["place"]) == ("en", "documents", "Baku")
    assert item["images"] == [
        {"url": "https://agency.example/l.jpg", "alt": "The bridge", "width": 1000, "height": 500}
    ]


def test_a_row_of_a_table_becomes_an_item(tmp_path: Path) -> None:
    found = entries_of(a_file(tmp_path, "orders.csv", samples.CSV))

    item = the_item(found)
    assert (item["document"], item["tags"]) == ({"number": "17"}, ["night", "sea"])
    assert item["body"] == "Light them,\nevery one."
    assert found[1] == RefusedEntry("line 4", "has no external_id")


def test_a_markdown_file_becomes_an_item(tmp_path: Path) -> None:
    by_title = {one.item["title"]: one.item for one in entries_of(a_folder(tmp_path)) if isinstance(one, ItemEntry)}

    tide = by_title["Tide table"]
    assert (tide["external_id"], tide["body"], tide["authors"]) == ("2026:tide", "High at *nine*.", ["Ann Archer"])
    assert (tide["published_at"], tide["tags"]) == ("2026-05-22T00:00:00+00:00", ["sea", "night-work"])
    assert by_title["A heading first"]["body"] == "And its text."
    assert by_title["From TOML"]["lang"] == "ru"


@contextlib.asynccontextmanager
async def feed_server(asked: list[dict[str, str]], validator: tuple[str, str, str]) -> AsyncIterator[str]:
    """Serve a feed with a validator, as an institution's web server does."""
    says, expects, value = validator

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode(): text.decode() for name, text in scope["headers"]}
        asked.append(headers)
        known = headers.get(expects) == value
        told = [(says.encode(), value.encode())]
        await send({"type": "http.response.start", "status": 304 if known else 200, "headers": told})
        await send({"type": "http.response.body", "body": b"" if known else samples.ATOM.encode()})

    async with http_server(app, "127.0.0.1", 0) as port:
        yield f"http://127.0.0.1:{port}/feed"


VALIDATORS = [
    pytest.param(("etag", "if-none-match", '"v1"'), id="etag"),
    pytest.param(("last-modified", "if-modified-since", "Fri, 22 May 2026 10:47:00 GMT"), id="last-modified"),
]


@pytest.mark.parametrize("validator", VALIDATORS)
async def test_a_feed_that_did_not_change_is_not_sent_again(tmp_path: Path, validator: tuple[str, str, str]) -> None:
    asked: list[dict[str, str]] = []
    kept = ValidatorFile(tmp_path / "state" / "feeds.json")

    async with feed_server(asked, validator) as url:
        first, entries = await asyncio.to_thread(read_source, url, kept.of(url))
        assert first.validators is not None
        kept.keep(url, first.validators)
        second, _ = await asyncio.to_thread(read_source, url, kept.of(url))

    assert len(entries) == 1
    assert second.is_unchanged
    assert validator[1] not in asked[0]
    assert asked[1][validator[1]] == validator[2]


@pytest.mark.parametrize(
    ("media_type", "content", "origin"),
    [
        pytest.param("text/csv; charset=utf-8", samples.CSV, "line 3", id="the media type of one importer"),
        pytest.param("application/xml", samples.WXR, "post 11", id="a beginning that one of several recognises"),
        pytest.param("application/xml", samples.RSS, "entry 1", id="the last of several"),
        pytest.param("text/html", samples.RSS, "entry 1", id="a media type that no importer has"),
    ],
)
async def test_the_importer_of_an_address_is_chosen_by_media_type_and_beginning(
    media_type: str, content: str, origin: str
) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-type", media_type.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content.encode()})

    async with http_server(app, "127.0.0.1", 0) as port:
        _, entries = await asyncio.to_thread(read_source, f"http://127.0.0.1:{port}/exported")

    assert entries[0].origin == origin


async def test_a_feed_with_entries_that_were_refused_is_asked_for_whole_again(ingest: Ingest, tmp_path: Path) -> None:
    asked: list[dict[str, str]] = []
    how = ("--source", "press", "--lang", "en", "--state", str(tmp_path / "feeds.json"), "--json")

    async with feed_server(asked, ("etag", "if-none-match", '"v1"')) as url:
        refused = await run(ingest.settings, "import", url, *how, "--section", "no-such-section")
        taken_in = await run(ingest.settings, "import", url, *how, "--section", "news")
        again = await run(ingest.settings, "import", url, *how, "--section", "news")

    assert (refused.exit_code, taken_in.exit_code, again.exit_code) == (1, 0, 0)
    assert ["if-none-match" in headers for headers in asked] == [False, False, True]
    assert (answered(taken_in)["created"], answered(again)["created"]) == (1, 0)


def test_the_readme_names_every_importer() -> None:
    readme = Path(importers.__file__).with_name("README.md").read_text(encoding="utf-8")

    table = [line for line in readme.splitlines() if line.startswith("| `") and "--format" not in line]
    assert table == [f"| `{one.name}` | {one.help} |" for one in importers.IMPORTERS]


async def test_a_key_that_opens_nothing_ends_an_import(ingest: Ingest, tmp_path: Path) -> None:
    ingest.http.headers["authorization"] = "Bearer clk_unknown"

    with pytest.raises(SendingFailedError, match="401"):
        await sent(ingest, entries_of(a_file(tmp_path, "feed.xml", samples.RSS)))


async def test_what_the_service_refuses_is_told_with_its_reason(ingest: Ingest, tmp_path: Path) -> None:
    lines = '{"external_id": "a", "title": "A", "body": "x", "section": "sport"}\nnot json\n'

    report = await sent(ingest, entries_of(a_file(tmp_path, "items.ndjson", lines)))

    assert [(one.origin, one.reason.partition(":")[0]) for one in report.refused] == [
        ("line 2", "is not JSON"),
        ("line 1 (a)", "/section"),
    ]
