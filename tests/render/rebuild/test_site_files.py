"""Standing pages, previews and the purge hook."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from redis.asyncio import Redis

from services.render.editions.current import adopt_edition
from services.render.output.volume import Output
from services.render.theme.standing_pages import load_standing_pages
from services.render.web.answers import SiteAnswers
from services.render.web.previews import previews_router
from services.render.wiring import assemble
from shared.model.errors import UnusableSiteFile
from shared.model.preview import Preview, preview_path
from shared.model.site_file import load_site
from shared.runtime.settings import Settings
from shared.store.item_store import ItemStore
from tests.receiver import a_receiver
from tests.render.newsroom import Press, a_press


def with_page(folder: Path, name: str, text: str) -> None:
    """Give the site of the folder a standing page."""
    site_file = folder / "site.toml"
    if "pages =" not in site_file.read_text():
        site_file.write_text('pages = "pages"\n' + site_file.read_text())
    file = folder / "pages" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


async def test_a_standing_page_is_written_and_linked_from_every_page(
    redis: Redis, settings: Settings, tmp_path: Path
) -> None:
    with_page(tmp_path, "en/20-contacts.md", "# Contacts\n\nCall **us**.\n")
    with_page(tmp_path, "en/10-imprint.md", "# Imprint #\n\nIt is ours.\n")
    press = await a_press(redis, settings)

    await press.rendering.rebuild.run()

    page = press.text("/en/contacts/")
    assert "<h1>Contacts</h1>" in page
    assert "<strong>us</strong>" in page
    home = press.text("/en/")
    assert home.index('href="/en/imprint/"') < home.index('href="/en/contacts/"')
    assert 'href="/ru/contacts/"' not in press.text("/ru/")


async def test_a_changed_standing_page_makes_another_edition_and_a_removed_one_goes(
    redis: Redis, settings: Settings, tmp_path: Path
) -> None:
    with_page(tmp_path, "en/contacts.md", "# Contacts\n\nBefore.")
    with_page(tmp_path, "en/imprint.md", "# Imprint\n")
    await (await a_press(redis, settings)).rendering.rebuild.run_if_needed()

    with_page(tmp_path, "en/contacts.md", "# Contacts\n\nAfter.")
    (tmp_path / "pages/en/imprint.md").unlink()
    press = await a_press(redis, settings)
    await press.rendering.rebuild.run_if_needed()

    assert "After." in press.text("/en/contacts/")
    assert not press.has("/en/imprint/")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("en/contacts.md", "No title.", id="no title"),
        pytest.param("en/news.md", "# News", id="the address of a section"),
        pytest.param("en/search.md", "# Search", id="a reserved address"),
        pytest.param("en/Contacts.md", "# Contacts", id="no address"),
    ],
)
def test_a_file_that_cannot_be_a_page_is_named(settings: Settings, tmp_path: Path, name: str, text: str) -> None:
    with_page(tmp_path, name, text)

    site = load_site(settings.site_file)

    with pytest.raises(UnusableSiteFile, match=name):
        load_standing_pages(site, site.pages_folder)


async def test_changed_paths_are_told_before_the_event_is_announced(redis: Redis, settings: Settings) -> None:
    async with a_receiver() as receiver:
        press = await a_press(redis, settings)
        output = Output(settings.output_dir)
        rendering = assemble(redis, (await adopt_edition(settings, redis)).edition, output, purge_urls=[receiver.url])
        announced: list[int] = []

        async def count(_: object) -> int:
            announced.append(len(await press.announced()))
            return 200

        receiver.answer = count
        item = await press.newsroom.publish("a")
        await rendering.consumer.on_item_events(await press.take())

    (request,) = receiver.requests
    assert announced == [0]
    assert {item.path, "/en/", "/en/feed.atom"} <= set(json.loads(request.body)["paths"])
    assert len(await press.announced()) == 1


async def test_a_purge_address_that_fails_does_not_hold_back_the_news(redis: Redis, settings: Settings) -> None:
    async with a_receiver() as receiver:
        receiver.answer = lambda _: 500
        press = await a_press(redis, settings)
        output = Output(settings.output_dir)
        rendering = assemble(redis, (await adopt_edition(settings, redis)).edition, output, purge_urls=[receiver.url])

        await press.newsroom.publish("a")
        await rendering.consumer.on_item_events(await press.take())

    assert len(receiver.requests) == 2
    assert len(await press.announced()) == 1


@pytest.fixture
async def http(redis: Redis, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Someone with a preview link."""
    edition = (await adopt_edition(settings, redis)).edition
    answers = SiteAnswers(Output(settings.output_dir), edition)
    app = FastAPI()
    app.include_router(previews_router(ItemStore(redis), edition, answers, settings.secrets_key))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=settings.base_url) as client:
        yield client


async def test_a_preview_shows_its_revision_and_keeps_its_address_to_itself(
    press: Press, settings: Settings, http: httpx.AsyncClient
) -> None:
    item = await press.newsroom.publish("a", title="First words")
    await press.newsroom.publish("a", title="Second words")
    assert settings.secrets_key is not None
    path = preview_path(Preview(item.item.id, 1, datetime.now(UTC) + timedelta(hours=1)), settings.secrets_key)

    response = await http.get(path)

    assert response.status_code == 200
    assert "First words" in response.text
    assert response.headers["x-robots-tag"] == "noindex"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"


async def test_a_preview_that_has_expired_or_was_changed_is_404(
    press: Press, settings: Settings, http: httpx.AsyncClient
) -> None:
    item = await press.newsroom.publish("a")
    assert settings.secrets_key is not None
    expired = preview_path(Preview(item.item.id, 1, datetime.now(UTC) - timedelta(seconds=1)), settings.secrets_key)
    good = preview_path(Preview(item.item.id, 1, datetime.now(UTC) + timedelta(hours=1)), settings.secrets_key)

    assert (await http.get(expired)).status_code == 404
    assert (await http.get(good.replace(".1.", ".2."))).status_code == 404
    assert (await http.get("/preview/nonsense")).status_code == 404
