"""The built-in web server: serves the files of the volume, and answers paths without a file from the store."""

from email.utils import formatdate, parsedate_to_datetime
from pathlib import PurePosixPath

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.render.output.volume import Output
from services.render.pages.edition import Edition
from services.render.web.answers import SECURITY_HEADERS, SiteAnswers
from services.render.web.includes import ServedBody, read_body
from shared.model.urls import FRAGMENTS, MAX_PATH_CHARS, link_header
from shared.store.item_store import ItemStore
from shared.store.redirects import redirect_target

_CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".xml": "application/xml; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".pdf": "application/pdf",
}


def site_router(paths: "SitePaths") -> APIRouter:
    """Return the route of every path of the site."""
    router = APIRouter(include_in_schema=False)

    @router.api_route("/{path:path}", methods=["GET", "HEAD"])
    async def get(request: Request) -> Response:
        return await paths.answer(request)

    return router


class SitePaths:
    """Answers requests for the paths of the site."""

    def __init__(self, output: Output, store: ItemStore, edition: Edition, answers: SiteAnswers) -> None:
        self._output = output
        self._store = store
        self._site = edition.site
        self._theme = edition.theme
        self._base_url = edition.base_url
        self._content_types = _CONTENT_TYPES | {f".{one.name}": one.content_type for one in edition.feed_formats}
        self._answers = answers

    async def answer(self, request: Request) -> Response:
        """Return the page, or what became of it: 301 moved, 410 withdrawn, 404 never there."""
        path = request.url.path
        if path == "/":
            return RedirectResponse(f"/{self._site.languages[0]}/", 302)
        if not _is_servable(path):
            return self._answers.not_found(path)
        body = read_body(self._output, path)
        return self._page(request, path, body) if body else await self._without_file(path)

    def _page(self, request: Request, path: str, body: ServedBody) -> Response:
        headers = {
            **SECURITY_HEADERS,
            "ETag": body.etag,
            "Cache-Control": "public, max-age=31536000, immutable" if path.startswith("/static/") else "no-cache",
            "Content-Type": self._content_type(path),
        }
        if body.modified is not None:
            headers["Last-Modified"] = formatdate(body.modified, usegmt=True)
        if not path.startswith(("/static/", "/media/")):
            # WebSub, section 4: hub and self in the headers too, in one Link header.
            headers["Link"] = link_header(self._base_url, path)
        if _is_known(request, body):
            return Response(status_code=304, headers=headers)
        return Response(body.content, headers=headers)

    def _content_type(self, path: str) -> str:
        suffix = ".html" if path.endswith("/") else PurePosixPath(path).suffix.lower()
        return self._content_types.get(suffix, "application/octet-stream")

    async def _without_file(self, path: str) -> Response:
        page_path = path if path.endswith("/") else path + "/"
        if page_path != path and self._output.file_of(page_path).is_file():
            return RedirectResponse(page_path, 301)
        owner = (await self._store.owners([page_path]))[0]
        item = await self._store.shown_revision(owner) if owner else None
        if item is None:
            return self._answers.not_found(path)
        withdrawal = item.revision.withdrawal
        if withdrawal is not None and withdrawal.mode == "redirect" and withdrawal.to:
            # The target may have moved or been withdrawn since. Follow it here, so that readers get one redirect only.
            read = self._store.shown_revision
            target = await redirect_target(self._store, withdrawal.to, leaving=item.item.id, read=read)
            if target is not None:
                return RedirectResponse(target, 301)
        if withdrawal is not None and withdrawal.mode != "notice":
            return self._answers.html(410, self._theme.gone_page(self._answers.language_of(path), item.revision.title))
        # Browsers keep a 301: from an address that readers have not seen yet, the way back would be a circle.
        if item.path != page_path and await self._store.has_stood_at(item.item, page_path):
            return RedirectResponse(item.path, 301)
        return self._answers.not_found(path)


def _is_servable(path: str) -> bool:
    """Whether the path could name a page: not a hidden file, a fragment, or a way out of the volume."""
    if len(path) > MAX_PATH_CHARS or "\0" in path or path.startswith(FRAGMENTS):
        return False
    segments = path.removeprefix("/").removesuffix("/").split("/")
    return all(segment and not segment.startswith(".") for segment in segments)


def _is_known(request: Request, body: ServedBody) -> bool:
    """Whether the reader has these bytes (RFC 9110, section 13.2.2: If-None-Match wins over If-Modified-Since)."""
    known = request.headers.get("if-none-match")
    if known is not None:
        tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
        return "*" in tags or body.etag in tags
    since = request.headers.get("if-modified-since")
    if since is None or body.modified is None:
        return False
    try:
        return int(body.modified) <= parsedate_to_datetime(since).timestamp()
    except (TypeError, ValueError):
        return False
