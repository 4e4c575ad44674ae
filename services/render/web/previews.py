"""Preview links: until a link expires, everybody who holds it sees the page of a revision that is not public."""

from dataclasses import replace
from datetime import datetime

from fastapi import APIRouter, Response
from pydantic import SecretStr

from services.render.pages.edition import Edition
from services.render.web.answers import SiteAnswers
from shared.model.items import PublicItem
from shared.model.preview import PREVIEW_PATH, Preview, read_preview
from shared.store.item_store import ItemStore


def previews_router(
    store: ItemStore, edition: Edition, answers: SiteAnswers, secrets_key: SecretStr | None
) -> APIRouter:
    """Return the route that answers the links that ingest hands out."""
    router = APIRouter(include_in_schema=False)

    @router.api_route(PREVIEW_PATH + "{token}", methods=["GET", "HEAD"])
    async def get(token: str) -> Response:
        """Return the page as it would be; 404 for a link that is not ours or has expired."""
        now = await store.now()
        preview = read_preview(token, secrets_key, now) if secrets_key else None
        page = await _page(store, edition, preview, now) if preview else None
        response = answers.html(200, page) if page else answers.not_found(PREVIEW_PATH)
        response.headers["X-Robots-Tag"] = "noindex"
        # The address is the key, so no page that the preview links to may learn the address.
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    return router


async def _page(store: ItemStore, edition: Edition, preview: Preview, now: datetime) -> bytes | None:
    item = await store.get(preview.item_id)
    revision = (await store.revisions([(preview.item_id, preview.revision)]))[0]
    if item is None or revision is None:
        return None
    published_at = revision.published_at or revision.publish_at or now
    path = revision.path or revision.provisional_path(now, edition.site.zone)
    as_public = PublicItem(
        replace(item, released_at=item.released_at or now),
        revision.model_copy(update={"published_at": published_at, "path": path}),
    )
    return edition.theme.item_page(as_public, ())
