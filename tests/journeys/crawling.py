"""A crawler that follows every list, feed, sitemap and answer of the API to the item pages that they name."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import httpx
from fastapi import FastAPI

from services.ingest.api.public import public_router
from services.render.output.volume import Output
from shared.store.item_store import ItemStore
from tests.render.newsroom import Press

# /lang/section/…/yyyy/mm/slug/, relative or behind the site's address.
_ITEM_PATH = re.compile(rb"/[a-z]{2}/[a-z/]+/[0-9]{4}/[0-9]{2}/[a-z0-9-]+/(?=[\"<?#])")
_ITEM_PAGE = re.compile(r"/[a-z]{2}/.+/[0-9]{4}/[0-9]{2}/[^/]+/")
_NO_ITEM = re.compile(r"/page/[0-9]+/$|/[0-9]{4}/[0-9]{2}/$")

Read = Callable[[], Awaitable[tuple[object, set[str]]]]
"""Reads a list: what tells whether it has changed, and the paths that it names."""


class Crawler:
    """Goes round and round until it is stopped, and notes each list that names a page which is not there."""

    def __init__(self, press: Press) -> None:
        self._volume = Output(press.settings.output_dir)
        self._languages = press.edition.site.languages
        self._base_url = press.settings.base_url
        self._app = FastAPI()
        self._app.include_router(public_router(ItemStore(press.redis), press.edition.site, self._base_url))
        self.followed = 0
        self.broken: list[str] = []

    async def run(self) -> None:
        """Crawl until cancelled."""
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url=self._base_url) as api:
            while True:
                for path in await asyncio.to_thread(lambda: list(self._volume.paths())):
                    if _names_items(path):
                        await self._follow(path, lambda path=path: self._file(path))  # type: ignore[misc]
                for lang in self._languages:
                    await self._follow(f"API {lang}", lambda lang=lang: _answer(api, lang))  # type: ignore[misc]

    async def _follow(self, name: str, read: Read) -> None:
        _, named = await read()
        self.followed += len(named)
        for path in named:
            if not self._is_there(path):
                await self._look_closely(name, read, path)
        await asyncio.sleep(0)

    async def _look_closely(self, name: str, read: Read, path: str) -> None:
        """A list may have been rewritten since: it is wrong if it stays the same while the page is missing."""
        before, named = await read()
        is_missing = path in named and not self._is_there(path)
        await asyncio.sleep(0.02)
        after, named = await read()
        if is_missing and before == after and path in named and not self._is_there(path):
            self.broken.append(f"{name} names {path}")

    def _is_there(self, path: str) -> bool:
        return self._volume.mtime_ns(path) is not None

    async def _file(self, path: str) -> tuple[object, set[str]]:
        file = self._volume.file_of(path)
        try:
            stat, content = file.stat(), file.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None, set()
        return (stat.st_mtime_ns, stat.st_ino, content), _paths_in(content, but=path)


async def _answer(api: httpx.AsyncClient, lang: str) -> tuple[object, set[str]]:
    told: list[tuple[str, int]] = []
    query = f"lang={lang}&limit=100"
    while True:
        page = (await api.get(f"/v1/items?{query}")).raise_for_status().json()
        told += [(item["url"], item["revision"]) for item in page["items"]]
        if page["next"] is None:
            return told, {urlsplit(url).path for url, _ in told}
        query = f"lang={lang}&limit=100&cursor={page['next']}"


def _paths_in(content: bytes, *, but: str) -> set[str]:
    found = {path.decode() for path in _ITEM_PATH.findall(content)}
    return {path for path in found if path != but and not _NO_ITEM.search(path)}


def _names_items(path: str) -> bool:
    """Whether the file is a list: an item's page names its translations, which may move under it for a moment."""
    is_item = _ITEM_PAGE.fullmatch(path) is not None and _NO_ITEM.search(path) is None
    return path.endswith((".html", ".rss", ".atom", ".json", ".xml", "/")) and not is_item
