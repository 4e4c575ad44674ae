"""The public content API: published items, for those who would rather have data than pages."""

import base64
import binascii
import hashlib
import json
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.ingest.contract.answers import ItemsAnswer, ListedItem
from services.ingest.contract.openapi import problems
from shared.model.errors import FieldError, Invalid
from shared.model.ids import ItemId
from shared.model.items import PublicItem
from shared.model.listings import Listing
from shared.model.site_file import Site
from shared.store.item_store import ItemStore, Place

# A page of the longest bodies ends early: a hundred of 1 MiB would be a hundred times what an answer may weigh.
_MOST_BODY_CHARS = 2_000_000
# So many items of a tag are looked at for those of a section before the page ends, full or not.
_LOOK_AT_MOST = 1000


class Wanted(BaseModel):
    """What a reader asks for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lang: Annotated[str | None, Field(description="A language of the site; its first one if left out.")] = None
    section: Annotated[str | None, Field(description="A section, with those below it.")] = None
    tag: Annotated[str | None, Field(max_length=64)] = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str | None, Field(max_length=200, description="`next` of the page before.")] = None


class PublicApi:
    """`GET /v1/items`."""

    def __init__(self, store: ItemStore, site: Site, base_url: str) -> None:
        self._store = store
        self._site = site
        self._base_url = base_url
        self.router = APIRouter(tags=["public"])
        self.router.add_api_route(
            "/v1/items",
            self.newest,
            methods=["GET"],
            summary="List published items, newest first",
            response_model=ItemsAnswer,
            responses={304: {"description": "Not modified"}, **problems(422, 503)},
        )

    async def newest(self, request: Request, wanted: Annotated[Wanted, Query()]) -> Response:
        """Return public items, newest first."""
        after = _read_cursor(wanted.cursor) if wanted.cursor is not None else None
        found, last = await self._page(self._listing(wanted), wanted, after)
        items = tuple(ListedItem.of(item, self._base_url) for item in found)
        answer = ItemsAnswer(items=items, next=_cursor(last) if last else None)
        content = answer.model_dump_json().encode()
        etag = f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
        headers = {"ETag": etag, "Cache-Control": "public, no-cache"}
        known = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
        if etag in known or "*" in known:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type="application/json")

    def _listing(self, wanted: Wanted) -> Listing:
        lang, section = wanted.lang, wanted.section
        errors = []
        if lang is not None and lang not in self._site.languages:
            errors.append(FieldError("/lang", f"this site has {', '.join(self._site.languages)}"))
        if section is not None and section not in self._site.section_at:
            errors.append(FieldError("/section", f"this site has {', '.join(self._site.section_at)}"))
        if errors:
            raise Invalid("the query names what the site does not have", errors=tuple(errors))
        language = lang or self._site.languages[0]
        if wanted.tag is not None:
            return Listing(language, "tag", wanted.tag)
        return Listing(language, "section", section) if section else Listing(language, "home")

    async def _page(
        self, listing: Listing, wanted: Wanted, after: Place | None
    ) -> tuple[list[PublicItem], Place | None]:
        """Return the items of a page, and the place it ends at where more may follow."""
        section, limit = wanted.section, wanted.limit
        page: list[PublicItem] = []
        looked_at = chars = 0
        while looked_at < _LOOK_AT_MOST:
            places = await self._store.newest_after(listing, after, limit)
            items = {item.item.id: item for item in await self._store.public_items([place.item for place in places])}
            for place in places:
                after = place
                item = items.get(place.item)
                if item is None or (section is not None and not _is_in(item.revision.section, section)):
                    continue
                page.append(item)
                chars += len(item.revision.body)
                if len(page) == limit or chars > _MOST_BODY_CHARS:
                    return page, place
            looked_at += len(places)
            if len(places) < limit:
                return page, None
        return page, after


def _is_in(path: str, section: str) -> bool:
    return path == section or path.startswith(f"{section}/")


def _cursor(place: Place) -> str:
    return base64.urlsafe_b64encode(json.dumps([place.score, place.item]).encode()).rstrip(b"=").decode()


def _read_cursor(cursor: str) -> Place:
    try:
        score, item = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return Place(int(score), ItemId(str(item)))
    except (ValueError, TypeError, OverflowError, binascii.Error) as error:
        unknown = FieldError("/cursor", "is not one that this address gave out")
        raise Invalid("the cursor cannot be read", errors=(unknown,)) from error
