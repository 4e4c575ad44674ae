"""The front door says what the services would have said themselves."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse

from services.dev.runner import PathRouter, clarion_running
from shared.http.server import http_server
from shared.runtime.settings import Settings
from tests.clarion import Clarion
from tests.deploy.nginx import Behind, needs_nginx, running_nginx
from tests.factories import ADMIN_KEY, an_item, as_json, some_settings
from tests.ports import a_free_port
from tests.waiting import PATIENCE_SECONDS, eventually

pytestmark = needs_nginx

PATHS = [
    *("/", "/en/", "/en/news/", "/en/news/feed.rss", "/en/news/feed.atom", "/en/news/feed.json", "/sitemap.xml"),
    *("/robots.txt", "/en/search/", "/v1/items", "/v1/items/press/one", "/v1/items/batch", "/v1/subscriptions"),
    *("/v1/subscriptions/sub1/pause", "/v1/deliveries/one", "/v1/events", "/v1/events/stream", "/hub", "/console"),
    *("/console/items", "/docs", "/openapi.json", "/readyz", "/preview/token", "/static/none.css", "/.hidden"),
]


@pytest.fixture
async def behind_nginx(tmp_path: Path, store_url: str) -> AsyncIterator[Clarion]:
    """All three services on one port, with nginx in front; the client talks to nginx."""
    port, nginx_port = a_free_port(), a_free_port()
    settings = some_settings(tmp_path, store_url, port=port, base_url=f"http://127.0.0.1:{nginx_port}")
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    async with (
        clarion_running(settings) as app,
        http_server(app, settings.host, port),
        running_nginx(tmp_path / "nginx", Behind(nginx_port, settings.output_dir, port, port, port)) as base,
        httpx.AsyncClient(base_url=base, headers=headers, timeout=30) as client,
    ):
        yield Clarion(client, settings)


@pytest.fixture
async def direct(behind_nginx: Clarion) -> AsyncIterator[httpx.AsyncClient]:
    """A client that goes round nginx."""
    settings: Settings = behind_nginx.settings
    async with httpx.AsyncClient(base_url=f"http://{settings.host}:{settings.port}") as client:
        yield client


async def test_a_page_is_the_same_bytes_and_headers_as_without_nginx(
    behind_nginx: Clarion, direct: httpx.AsyncClient
) -> None:
    receipt = await behind_nginx.put("one", an_item())
    await behind_nginx.put("two", an_item(section="documents", title="An order in the column"))
    await _until_it_says(behind_nginx, receipt["url"], "An order in the column")

    through = await behind_nginx.http.get(receipt["url"])
    without = await direct.get(httpx.URL(receipt["url"]).path)

    assert through.content == without.content
    for header in ("link", "content-security-policy", "x-content-type-options", "referrer-policy", "content-type"):
        assert through.headers.get_list(header) == without.headers.get_list(header)
    assert through.headers["cache-control"] == "no-cache"
    assert "etag" not in through.headers
    assert "last-modified" not in through.headers


async def test_a_page_is_sent_whole_whatever_date_the_reader_has(behind_nginx: Clarion) -> None:
    receipt = await behind_nginx.put("one", an_item())
    await behind_nginx.page(receipt["url"])
    file = behind_nginx.settings.output_dir / httpx.URL(receipt["url"]).path.strip("/") / "index.html"
    date = formatdate(file.stat().st_mtime, usegmt=True)

    answer = await behind_nginx.http.get(receipt["url"], headers={"If-Modified-Since": date})

    assert answer.status_code == 200


async def test_a_feed_that_changes_within_a_second_changes_its_etag(
    behind_nginx: Clarion, direct: httpx.AsyncClient
) -> None:
    await behind_nginx.put("one", an_item(title="AAAA"))
    await _until_it_says(behind_nginx, "/en/feed.json", "AAAA")
    before = await behind_nginx.http.get("/en/feed.json", headers={"Accept-Encoding": "identity"})

    # As long as the one before, and in all likelihood within the same second: nginx's own ETag would be the same.
    await behind_nginx.put("one", an_item(title="BBBB"))
    await _until_it_says(behind_nginx, "/en/feed.json", "BBBB")

    again = await behind_nginx.http.get("/en/feed.json", headers={"If-None-Match": before.headers["etag"]})
    assert again.status_code == 200
    assert again.headers["etag"].removeprefix("W/") == (await direct.get("/en/feed.json")).headers["etag"]


@pytest.mark.parametrize("feed", ["feed.rss", "feed.atom", "feed.json"])
async def test_a_feed_says_once_what_it_is_and_is_answered_304(behind_nginx: Clarion, feed: str) -> None:
    await behind_nginx.put("one", an_item())
    await _until_it_says(behind_nginx, f"/en/{feed}", "The harbour opens")
    types = {
        "feed.rss": "application/rss+xml",
        "feed.atom": "application/atom+xml",
        "feed.json": "application/feed+json",
    }

    answer = await behind_nginx.http.get(f"/en/{feed}")
    known = await behind_nginx.http.get(f"/en/{feed}", headers={"If-None-Match": answer.headers["etag"]})

    assert answer.headers["content-type"] == f"{types[feed]}; charset=utf-8"
    assert answer.headers["content-encoding"] == "gzip"
    assert re.findall(r'rel="(\w+)"', ",".join(answer.headers.get_list("link"))) == ["hub", "self"]
    assert len(answer.headers.get_list("content-security-policy")) == 1
    assert known.status_code == 304


async def test_a_static_file_may_be_kept_for_ever(behind_nginx: Clarion, direct: httpx.AsyncClient) -> None:
    page = await behind_nginx.page("/en/")
    style = re.findall(r'href="(/static/[^"]+\.css)"', page)[0]

    through, without = await behind_nginx.http.get(style), await direct.get(style)

    assert through.headers["cache-control"] == without.headers["cache-control"]
    assert "immutable" in through.headers["cache-control"]
    assert through.headers["content-type"] == without.headers["content-type"]
    assert through.content == without.content


@pytest.mark.parametrize("path", ["/", "/en/news", "/en/none/", "/_fragments/en/latest.html", "/.clarion/built"])
async def test_a_path_without_a_page_is_answered_by_render(
    behind_nginx: Clarion, direct: httpx.AsyncClient, path: str
) -> None:
    await eventually((behind_nginx.settings.output_dir / ".clarion" / "built").exists, "the whole empty site")

    through, without = await behind_nginx.http.get(path), await direct.get(path)

    assert through.status_code == without.status_code
    assert through.headers.get("location") == without.headers.get("location")
    assert through.headers.get_list("content-security-policy") == without.headers.get_list("content-security-policy")


async def test_a_missing_fragment_leaves_nothing_behind(behind_nginx: Clarion, direct: httpx.AsyncClient) -> None:
    await behind_nginx.page("/en/news/")
    fragment = behind_nginx.settings.output_dir / "_fragments/en/latest.html"
    await eventually(fragment.exists, "the fragment")
    fragment.unlink()

    through, without = await behind_nginx.http.get("/en/news/"), await direct.get("/en/news/")

    assert through.status_code == 200
    assert through.content == without.content


async def test_every_path_reaches_the_service_it_belongs_to(tmp_path: Path, store_url: str) -> None:
    settings = some_settings(tmp_path, store_url)
    async with clarion_running(settings) as real:
        routes = {_example(path): "notify" for path in _paths_of(real.notify)}
        routes |= {_example(path): "ingest" for path in _paths_of(real.ingest)}
    async with _three_that_say_their_names(tmp_path) as (through_nginx, as_in_dev):
        reached = {path: (await through_nginx.get(path)).text for path in [*routes, *PATHS]}
        in_dev = {path: (await as_in_dev.get(path)).text for path in PATHS}

    assert {path: name for path, name in routes.items() if reached[path] != name} == {}
    assert {path: name for path, name in in_dev.items() if reached[path] != name} == {}


async def test_events_come_through_as_they_happen(behind_nginx: Clarion) -> None:
    async with behind_nginx.http.stream("GET", "/v1/events/stream") as stream:
        receipt = await behind_nginx.put("one", an_item())

        async for line in stream.aiter_lines():
            if line.startswith("data:"):
                assert receipt["event_id"] in line
                break


async def test_a_batch_is_answered_line_by_line_while_it_is_sent(behind_nginx: Clarion) -> None:
    lines = [as_json(an_item(source="press", external_id=name)) + b"\n" for name in ("one", "two")]
    url = httpx.URL(str(behind_nginx.http.base_url))
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = f"POST /v1/items/batch HTTP/1.1\r\nHost: {url.host}\r\nAuthorization: Bearer {ADMIN_KEY}\r\n"
    kind = "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"

    writer.write((head + kind).encode() + b"%x\r\n%s\r\n" % (len(lines[0]), lines[0]))
    first = await _answer(reader, 1)
    writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(lines[1]), lines[1]))
    second = await _answer(reader, 2)

    writer.close()
    assert (first["status"], second["status"]) == (201, 201)


async def test_a_service_that_is_away_is_answered_as_the_service_would_say_it(tmp_path: Path) -> None:
    nobody = a_free_port()
    behind = Behind(a_free_port(), tmp_path, nobody, nobody, nobody)
    async with running_nginx(tmp_path / "nginx", behind) as base, httpx.AsyncClient(base_url=base) as client:
        publishing, reading = await asyncio.gather(
            client.put("/v1/items/press/one", json={}), client.get("/en/feed.rss")
        )

    assert publishing.status_code == 503
    assert publishing.headers["content-type"] == "application/problem+json"
    assert publishing.json()["status"] == 503
    assert (reading.status_code, reading.headers["cache-control"]) == (503, "no-store")
    assert publishing.headers["retry-after"] == reading.headers["retry-after"] == "1"


async def test_the_log_has_one_object_a_line_and_no_secret_of_an_address(tmp_path: Path) -> None:
    async with _three_that_say_their_names(tmp_path) as (client, _):
        await client.get("/preview/token-that-opens")
        await client.get("/en/search/?q=private")
        log = tmp_path / "nginx/access.log"
        await eventually(lambda: log.read_text().count("\n") == 2, "two lines")

        assert "token-that-opens" not in log.read_text()
        assert "private" not in log.read_text()


async def _until_it_says(clarion: Clarion, url: str, text: str) -> None:
    async def says() -> bool:
        return text in (await clarion.http.get(url)).text

    await eventually(says, f"{text} at {url}")


async def _answer(reader: asyncio.StreamReader, number: int) -> dict[str, Any]:  # Any: JSON
    """Read on to the answer to this line of a batch."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            line = await reader.readline()
            assert line, "the connection ended"
            if line.startswith(b"{") and (answer := json.loads(line))["line"] == number:
                found: dict[str, Any] = answer
                return found


def _saying_its_name(name: str) -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.get("/{path:path}")
    async def say(path: str) -> PlainTextResponse:
        return PlainTextResponse(name)

    return app


@contextlib.asynccontextmanager
async def _three_that_say_their_names(folder: Path) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Run three services; yield a client of an nginx before them, and one of the router of `clarion dev`."""
    as_dev_runs = PathRouter(*map(_saying_its_name, ("ingest", "render", "notify")))
    ports = {name: a_free_port() for name in ("ingest", "render", "notify")}
    behind = Behind(a_free_port(), folder, **ports)
    async with (
        http_server(as_dev_runs.ingest, "127.0.0.1", behind.ingest),
        http_server(as_dev_runs.render, "127.0.0.1", behind.render),
        http_server(as_dev_runs.notify, "127.0.0.1", behind.notify),
        running_nginx(folder / "nginx", behind) as base,
        httpx.AsyncClient(base_url=base) as through_nginx,
        httpx.AsyncClient(base_url=base, transport=httpx.ASGITransport(as_dev_runs)) as as_in_dev,
    ):
        yield through_nginx, as_in_dev


def _paths_of(app: FastAPI) -> list[str]:
    own = {"/healthz", "/readyz", "/metrics"}
    return [path for route in app.routes if (path := str(getattr(route, "path", ""))) and path not in own]


def _example(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "x", path)
