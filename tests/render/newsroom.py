"""A newsroom without its front door, and a render service in the test's hand: what happens is the test's choice."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from redis.asyncio import Redis

from services.render.feeds.feed import FeedFormat
from services.render.feeds.formats import FEED_FORMATS
from services.render.output.volume import Output
from services.render.pages.edition import Edition
from services.render.rebuild.verify import Differences, compare, refuse_fault
from services.render.wiring import Rendering, adopt_edition, assemble
from shared.http import errors
from shared.model.ids import ItemId, item_id
from shared.model.items import Item, PublicItem, Revision, Withdrawal
from shared.model.site_file import Site
from shared.model.urls import item_path, month_of
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.item_store import Found, ItemStore
from shared.store.item_writer import ItemWriter, NewEvent, Write
from shared.store.streams import Entry

FIRST_DAY = datetime(2026, 5, 1, 9, tzinfo=UTC)
BROKEN_TITLE = "A title that breaks its template"


@dataclass
class Newsroom:
    """Publishes straight into the store, as ingest would."""

    redis: Redis
    site: Site

    def __post_init__(self) -> None:
        self.store = ItemStore(self.redis)
        self._writer = ItemWriter(self.redis, self.site)

    # Any: whatever field of a revision a test is about
    async def publish(self, external_id: str, **changes: Any) -> PublicItem:
        """Publish the item, or revise it; a field that is not given keeps its value, and at first gets one."""
        while True:
            found = await self.store.find(item_id("press", external_id))
            write, published = self._publication(found, external_id, changes)
            if await self._write(write):
                return published

    # Any: see publish
    def _publication(self, found: Found, external_id: str, changes: dict[str, Any]) -> tuple[Write, PublicItem]:
        item = found.item
        revision = self._revised(item, found.public or found.latest, external_id, found.now, changes)
        is_shown = item is not None and item.state == "published" and item.public > 0
        after = Item(
            id=item_id("press", external_id),
            source="press",
            external_id=external_id,
            state="published",
            latest=revision.number,
            public=revision.number,
            content_sha256=revision.content_sha256,
            path=revision.path,
            accepted_at=revision.accepted_at,
            released_at=item.released_at if item and is_shown else found.now,
            publish_at=None,
            last_event=revision.number,
            announced=item.announced if item else 0,
        )
        event = NewEvent(
            "item.revised.v1" if is_shown else "item.published.v1", revision.update_type, found.now, "test"
        )
        shown = found.public if is_shown else None
        write = Write(secrets.token_hex(8), item, after, shown, revision, revision, event)
        return write, PublicItem(after, revision)

    def _revised(
        self,
        item: Item | None,
        before: Revision | None,
        external_id: str,
        now: datetime,
        changes: dict[str, Any],  # Any: see publish
    ) -> Revision:
        content: dict[str, Any] = {  # Any: see publish
            "lang": "en",
            "section": "news",
            "title": f"Item {external_id}",
            "body": f"The text of {external_id}.",
            "published_at": FIRST_DAY,
            **(
                before.model_dump(exclude={"number", "accepted_at", "path", "withdrawal", "update_type"})
                if before
                else {}
            ),
            **changes,
        }
        month = month_of(content["published_at"], self.site.zone)
        return Revision.model_validate(
            content
            | {
                "number": item.latest + 1 if item else 1,
                "accepted_at": max(now, item.accepted_at + timedelta(milliseconds=1)) if item else now,
                "path": item_path(content["lang"], content["section"], month, changes.get("slug") or external_id),
            }
        )

    async def withdraw(self, external_id: str, withdrawal: Withdrawal | None = None) -> None:
        """Withdraw the item if readers know it, as gone unless told otherwise."""
        while True:
            found = await self.store.find(item_id("press", external_id))
            if found.item is None or found.public is None:
                return
            if await self._write(self._withdrawing(found, found.item, found.public, withdrawal)):
                return

    def _withdrawing(self, found: Found, item: Item, public: Revision, withdrawal: Withdrawal | None) -> Write:
        revision = public.model_copy(
            update={
                "number": item.latest + 1,
                "accepted_at": max(found.now, item.accepted_at + timedelta(milliseconds=1)),
                "withdrawal": withdrawal or Withdrawal(mode="gone"),
            }
        )
        after = replace(
            item,
            state="withdrawn",
            latest=revision.number,
            public=revision.number,
            accepted_at=revision.accepted_at,
            last_event=revision.number,
        )
        event = NewEvent("item.withdrawn.v1", "major", found.now, "test")
        shown = public if item.state == "published" else None
        return Write(secrets.token_hex(8), item, after, shown, None, revision, event)

    async def _write(self, write: Write) -> bool:
        """Write, and tell whether it was done: render may have taken the item's revision back meanwhile."""
        status = await self._writer.write(write)
        assert status in {"written", "moved"}
        return status == "written"


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
        rebuilt = Output(folder)
        await assemble(self.redis, self.edition, rebuilt, on_fault=refuse_fault).rebuild.run()
        return compare(Output(self.settings.output_dir), rebuilt)

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


async def a_press(redis: Redis, settings: Settings, feed_formats: Sequence[FeedFormat] = FEED_FORMATS) -> Press:
    """Return a render service over an empty or used volume, which has rendered nothing new."""
    edition = await adopt_edition(settings, redis, feed_formats)
    rendering = assemble(redis, edition, Output(settings.output_dir))
    if not await redis.exists(keys.ITEMS_STREAM):
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
