"""Preview links: the page of a revision that is not public, for whoever holds its link, until it expires."""

from dataclasses import replace

from fastapi import APIRouter, Response
from pydantic import SecretStr

from services.render.pages.edition import Edition
from services.render.web.answers import SiteAnswers
from shared.model.ids import ItemId
from shared.model.items import Item, PublicItem, Revision
from shared.model.preview import PREVIEW_PATH, read_preview
from shared.model.urls import item_path, month_of, slug_from_title
from shared.store.item_store import ItemStore


class PreviewRoutes:
    """Answers for links that ingest hands out."""

    def __init__(self, store: ItemStore, edition: Edition, answers: SiteAnswers, secrets_key: SecretStr | None) -> None:
        self._store = store
        self._site = edition.site
        self._theme = edition.theme
        self._answers = answers
        self._secrets_key = secrets_key
        self.router = APIRouter(include_in_schema=False)
        self.router.add_api_route(PREVIEW_PATH + "{token}", self.get, methods=["GET", "HEAD"])

    async def get(self, token: str) -> Response:
        """Return the page as it would be; 404 for a link that is not ours or has expired."""
        now = await self._store.now()
        preview = read_preview(token, self._secrets_key, now) if self._secrets_key else None
        shown = await self._revision(preview.item_id, preview.revision) if preview else None
        if shown is None:
            return self._private(self._answers.not_found(PREVIEW_PATH))
        item, revision = shown
        published_at = revision.published_at or revision.publish_at or now
        slug = revision.slug or slug_from_title(revision.title)
        path = item_path(revision.lang, revision.section, month_of(published_at, self._site.zone), slug)
        as_public = PublicItem(
            replace(item, released_at=item.released_at or now),
            revision.model_copy(update={"published_at": published_at, "path": revision.path or path}),
        )
        return self._private(self._answers.html(200, self._theme.item_page(as_public, ())))

    async def _revision(self, item_id: ItemId, number: int) -> tuple[Item, Revision] | None:
        item = await self._store.get(item_id)
        revision = (await self._store.revisions([(item_id, number)]))[0]
        return (item, revision) if item is not None and revision is not None else None

    @staticmethod
    def _private(response: Response) -> Response:
        response.headers["X-Robots-Tag"] = "noindex"
        # The address is the key: no page that is linked to may learn it.
        response.headers["Referrer-Policy"] = "no-referrer"
        return response
