"""A newsroom without its front door, and a render service in the test's hand: what happens is the test's choice."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from services.ingest.contract.item_body import ItemBody, body_for
from services.ingest.publishing.rules import Actor, ItemChange, next_revision, publication
from services.ingest.publishing.withdrawal import withdrawal_write
from services.render.editions.current import adopt_edition
from services.render.editions.files import Code
from services.render.feeds.feed import FeedFormat
from services.render.feeds.formats import FEED_FORMATS
from services.render.output.volume import Output
from services.render.pages.edition import Edition
from services.render.rebuild.verify import Differences, FaultsOfComparison, compare
from services.render.wiring import Rendering, assemble
from shared.http import errors
from shared.model.ids import ItemId, item_id
from shared.model.items import PublicItem, Revision, Withdrawal
from shared.model.kinds.kind import SectionKind
from shared.model.kinds.section_kinds import SECTION_KINDS
from shared.model.site_file import Site
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.item_store import ItemStore
from shared.store.item_writer import ItemWriter, Write
from shared.store.streams import Entry

FIRST_DAY = datetime(2026, 5, 1, 9, tzinfo=UTC)
BROKEN_TITLE = "A title that breaks its template"
_SENT = body_for(ItemBody, SECTION_KINDS)
GONE = Withdrawal(mode="gone")


@dataclass
class Newsroom:
    """Publishes by the rules of ingest, straight into the store."""

    redis: Redis
    site: Site

    def __post_init__(self) -> None:
        self.store = ItemStore(self.redis)
        self._writer = ItemWriter(self.redis)

    # Any: whatever field of an item a test is about
    async def publish(self, external_id: str, **changes: Any) -> PublicItem:
        """Publish the item, or revise it; a field that is not given keeps its value, and at first gets one."""
        change = _change(external_id)
        while True:
            found = await self.store.find(change.item_id)
            revision = next_revision(found, _body(external_id, found.public or found.latest, changes))
            path = revision.provisional_path(found.now, self.site.zone, changes.get("slug") or external_id)
            write = publication(change, found, revision, path)
            if await self._write(write):
                return PublicItem(write.after, revision.model_copy(update={"path": path}))

    async def withdraw(self, external_id: str, withdrawal: Withdrawal | None = None) -> None:
        """Withdraw the item if readers know it, as gone unless told otherwise."""
        change = _change(external_id)
        while True:
            found = await self.store.find(change.item_id)
            if found.item is None or found.public is None:
                return
            if await self._write(withdrawal_write(change, found, found.item, found.public, withdrawal or GONE)):
                return

    async def _write(self, write: Write) -> bool:
        """Write, and tell whether it was done: render may have taken the item's revision back meanwhile."""
        status = await self._writer.write(write)
        assert status in {"written", "moved"}
        return status == "written"


def _change(external_id: str) -> ItemChange:
    return ItemChange(item_id("press", external_id), "press", external_id, Actor("test", "test"), secrets.token_hex(8))


# Any: see Newsroom.publish
def _body(external_id: str, before: Revision | None, changes: dict[str, Any]) -> ItemBody:
    first = {
        "lang": "en",
        "section": "news",
        "title": f"Item {external_id}",
        "body": f"The text of {external_id}.",
        "published_at": FIRST_DAY,
    }
    kept = before.model_dump(include=set(_SENT.model_fields) - {"update_type"}) if before else {}
    return _SENT(**{**first, **kept, **changes})


@dataclass
class Press:
    """A render service, its newsroom and its volume."""

    redis: Redis
    settings: Settings
    newsroom: Newsroom
    edition: Edition
    rendering: Rendering

    async def take(self, count: int | None = None) -> list[Entry]:
        """Take the next events, or all there are, as a consumer of the group."""
        # Any: redis-py's replies are unions of everything.
        found: Any = await self.redis.xreadgroup(
            keys.RENDER_GROUP, "press", {keys.ITEMS_STREAM: ">"}, count=count or 1000
        )
        return [Entry(entry_id, fields) for _, entries in found for entry_id, fields in entries]

    async def render(self, entries: Sequence[Entry] | None = None) -> None:
        """Render a batch of events; all that there are unless told otherwise."""
        await self.rendering.consumer.on_item_events(await self.take() if entries is None else entries)

    async def differences(self, folder: Path) -> Differences:
        """Return where the volume differs from a rebuild into the folder."""
        volume, rebuilt = Output(self.settings.output_dir), Output(folder)
        await assemble(self.redis, self.edition, rebuilt, faults=FaultsOfComparison(volume, rebuilt)).rebuild.run()
        return compare(volume, rebuilt)

    def has(self, path: str) -> bool:
        return self._file(path).is_file()

    def text(self, path: str) -> str:
        return self._file(path).read_text(encoding="utf-8")

    def _file(self, path: str) -> Path:
        return self.settings.output_dir / (path.lstrip("/") + ("index.html" if path.endswith("/") else ""))

    def files_naming(self, words: str) -> set[str]:
        """Return the paths of all files that contain the words."""
        root = self.settings.output_dir
        files = (file for file in root.rglob("*") if file.is_file() and "/." not in str(file.relative_to(root.parent)))
        return {str(file.relative_to(root)) for file in files if words in file.read_text(encoding="utf-8")}

    async def announced(self) -> list[tuple[str, str]]:
        """Return type and event id of everything in the log."""
        entries: Any = await self.redis.xrange(keys.PAGES_STREAM)  # Any: see take
        return [(fields["type"], fields["id"]) for _, fields in entries]

    async def dead_letters(self) -> list[dict[str, str]]:
        entries: Any = await self.redis.xrange(keys.DEAD_LETTERS)  # Any: see take
        return [fields for _, fields in entries]

    async def public(self, external_id: str) -> int:
        """Return the number of the revision that readers see."""
        item = await self.newsroom.store.get(ItemId(item_id("press", external_id)))
        assert item is not None
        return item.public


async def a_press(
    redis: Redis,
    settings: Settings,
    *,
    feed_formats: Sequence[FeedFormat] = FEED_FORMATS,
    kinds: Sequence[SectionKind] = SECTION_KINDS,
) -> Press:
    """Return a render service over an empty or used volume, which has rendered nothing new."""
    tried = await adopt_edition(settings, redis, Code(feed_formats, kinds))
    edition = tried.edition
    rendering = assemble(redis, edition, Output(settings.output_dir), trial=tried.trial)
    with contextlib.suppress(ResponseError):  # it is there
        await redis.xgroup_create(keys.ITEMS_STREAM, keys.RENDER_GROUP, id="0", mkstream=True)
    return Press(redis, settings, Newsroom(redis, edition.site), edition, rendering)


@contextlib.asynccontextmanager
async def reading(press: Press) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a reader of the press's site."""
    app = FastAPI()
    errors.install(app)
    for router in press.rendering.routes:
        app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=press.settings.base_url) as client:
        yield client


def break_template(folder: Path) -> None:
    """Give the site of the folder a theme whose item page cannot show `BROKEN_TITLE`."""
    templates = folder / "theme" / "templates"
    templates.mkdir(parents=True)
    (templates / "item.html").write_text(
        '{% extends "shipped/item.html" %}{% block content %}'
        f'{{% if page.card.title == "{BROKEN_TITLE}" %}}{{{{ page.nothing.at_all }}}}{{% endif %}}'
        "{{ super() }}{% endblock %}"
    )
    site_file = folder / "site.toml"
    site_file.write_text('theme = "theme"\n' + site_file.read_text())
