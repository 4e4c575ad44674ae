"""The public content API: published items as data instead of pages."""

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
from shared.store.item_store import ItemStore, ListingPosition
from shared.store.public_items import PublicItems

# A page ends early when its bodies are long: 100 bodies of 1 MiB would make an answer of 100 MiB.
_MOST_BODY_CHARS = 2_000_000
# A page of one tag in one section reads at most this many items of the tag, and ends there, full or not.
_MOST_READ = 1000


class ListQuery(BaseModel):
    """The query of a reader: which items, and where the page begins."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lang: Annotated[str | None, Field(description="A language of the site; its first one if left out.")] = None
    section: Annotated[str | None, Field(description="A section, with those below it.")] = None
    tag: Annotated[str | None, Field(max_length=64)] = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str | None, Field(max_length=200, description="`next` of the page before.")] = None


def public_router(store: ItemStore, site: Site, base_url: str) -> APIRouter:
    """Return the route of the public list; it needs no key."""
    router = APIRouter(tags=["public"])

    @router.get(
        "/v1/items",
        summary="List published items, newest first",
        response_model=ItemsAnswer,
        responses={304: {"description": "Not modified"}, **problems(422, 503)},
    )
    async def newest(request: Request, wanted: Annotated[ListQuery, Query()]) -> Response:
        """Return public items, newest first."""
        after = _read_cursor(wanted.cursor) if wanted.cursor is not None else None
        found, last = await _page(store, _listing(site, wanted), wanted, after)
        items = tuple(ListedItem.of(item, base_url) for item in found)
        answer = ItemsAnswer(items=items, next=_cursor(last) if last else None)
        content = answer.model_dump_json().encode()
        etag = f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
        headers = {"ETag": etag, "Cache-Control": "public, no-cache"}
        known = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
        if etag in known or "*" in known:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type="application/json")

    return router


def _listing(site: Site, wanted: ListQuery) -> Listing:
    lang, section = wanted.lang, wanted.section
    site.require_known(lang, section)
    language = lang or site.languages[0]
    if wanted.tag is not None:
        return Listing(language, "tag", wanted.tag)
    return Listing(language, "section", section) if section else Listing(language, "home")


async def _page(
    store: ItemStore, listing: Listing, wanted: ListQuery, after: ListingPosition | None
) -> tuple[list[PublicItem], ListingPosition | None]:
    """Return the items of a page, and the place at which it ends where more may follow."""
    section, limit = wanted.section, wanted.limit
    page: list[PublicItem] = []
    read = chars = 0
    while read < _MOST_READ:
        places = await store.newest_after(listing, after, limit)
        items = await PublicItems(store, [listing.lang]).by_id([place.item for place in places])
        for place in places:
            after = place
            item = items.get(place.item)
            if item is None or (section is not None and not _is_in(item.revision.section, section)):
                continue
            page.append(item)
            chars += len(item.revision.body)
            if len(page) == limit or chars > _MOST_BODY_CHARS:
                return page, place
        read += len(places)
        if len(places) < limit:
            return page, None
    return page, after


def _is_in(path: str, section: str) -> bool:
    return path == section or path.startswith(f"{section}/")


def _cursor(place: ListingPosition) -> str:
    return base64.urlsafe_b64encode(json.dumps([place.score, place.item]).encode()).rstrip(b"=").decode()


def _read_cursor(cursor: str) -> ListingPosition:
    try:
        score, item = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return ListingPosition(int(score), ItemId(str(item)))
    except (ValueError, TypeError, OverflowError, binascii.Error) as error:
        unknown = FieldError("/cursor", "is not one that this address gave out")
        raise Invalid("the cursor cannot be read", errors=(unknown,)) from error
