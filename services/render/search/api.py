"""Search over HTTP: the page of results for readers, and the same as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.render.pages.edition import Edition
from services.render.search.index import IndexQuery
from services.render.search.service import Matches, Search
from services.render.text.stemming import Term, terms_of
from services.render.theme.search_results import SearchResults, passage, search_result
from services.render.web.answers import SiteAnswers
from shared.model.clock import iso, to_ms
from shared.model.items import PublicItem
from shared.model.site_file import Site
from shared.model.urls import search_path

RESULTS_ON_PAGE = 20
_MOST_WORDS = 12
_MOST_CHARS = 200
# Further pages of results help nobody: a reader who has seen 1,000 results asks a better question.
_MOST_PAGES = 50


class SearchQuery(BaseModel):
    """The query of a search."""

    model_config = ConfigDict(extra="ignore", frozen=True, str_strip_whitespace=True)

    q: Annotated[
        str, Field(max_length=_MOST_CHARS, description="Words, or beginnings of words; all must be there.")
    ] = ""
    lang: Annotated[str | None, Field(description="A language of the site.")] = None
    section: Annotated[str | None, Field(description="A section, with those below it.")] = None
    since: Annotated[date | None, Field(description="Published on this day of the site's time zone or later.")] = None
    until: Annotated[date | None, Field(description="Published on this day or before.")] = None
    page: Annotated[int, Field(ge=1, le=_MOST_PAGES)] = 1


def search_router(search: Search, edition: Edition, answers: SiteAnswers) -> APIRouter:
    """Return the routes `/v1/search` and `/{lang}/search/`."""
    router = APIRouter(tags=["public"])
    site, theme, base_url = edition.site, edition.theme, edition.base_url

    async def find(query: SearchQuery, index_query: IndexQuery) -> Matches:
        found = await search.find(index_query, RESULTS_ON_PAGE, (query.page - 1) * RESULTS_ON_PAGE)
        return replace(found, has_more=found.has_more and query.page < _MOST_PAGES)

    @router.get("/v1/search", summary="Search published items")
    async def get_json(query: Annotated[SearchQuery, Query()]) -> JSONResponse:
        """Return what was found, newest first."""
        site.require_known(query.lang, query.section)
        index_query = _index_query(query, site)
        found = await find(query, index_query)
        items = [_item_answer(item, index_query.terms, base_url) for item in found.items]
        following = _page_url("/v1/search", query, query.page + 1) if found.has_more else None
        return JSONResponse({"items": items, "next": following and base_url + following})

    @router.api_route("/{lang}/search/", methods=["GET", "HEAD"], include_in_schema=False)
    async def get_page(request: Request, lang: str) -> Response:
        """Return the page of results; a parameter that the form could not have sent is ignored."""
        if lang not in site.languages:
            return answers.not_found(lang)
        query = _read(dict(request.query_params)).model_copy(update={"lang": lang})
        if query.section not in site.section_at:
            query = query.model_copy(update={"section": None})
        index_query = _index_query(query, site)
        found = await find(query, index_query)
        path = search_path(lang)
        results = SearchResults(
            words=query.q,
            section=query.section,
            since=query.since.isoformat() if query.since else "",
            until=query.until.isoformat() if query.until else "",
            found=[search_result(item, theme.card(item), index_query.terms) for item in found.items],
            previous=_page_url(path, query, query.page - 1) if query.page > 1 else None,
            following=_page_url(path, query, query.page + 1) if found.has_more else None,
        )
        return answers.html(200, theme.search_page(lang, results))

    return router


def _index_query(query: SearchQuery, site: Site) -> IndexQuery:
    def midnight(day: date | None) -> int | None:
        return to_ms(datetime.combine(day, time(), site.zone)) if day else None

    return IndexQuery(
        terms=terms_of(query.q, [query.lang] if query.lang else site.languages)[:_MOST_WORDS],
        lang=query.lang,
        section=query.section,
        since_ms=midnight(query.since),
        until_ms=midnight(query.until + timedelta(days=1)) if query.until else None,
    )


def _item_answer(item: PublicItem, terms: Sequence[Term], base_url: str) -> Mapping[str, object]:
    revision = item.revision
    return {
        "id": item.item.id,
        "source": item.item.source,
        "external_id": item.item.external_id,
        "lang": revision.lang,
        "section": revision.section,
        "title": revision.title,
        "excerpt": passage(item, terms),
        "published_at": iso(item.published_at),
        "tags": revision.tags,
        "url": base_url + item.path,
    }


def _page_url(path: str, query: SearchQuery, page: int) -> str:
    wanted = query.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    if path != "/v1/search":
        wanted.pop("lang", None)
    return f"{path}?{urlencode({**wanted, 'page': page})}"


def _read(parameters: Mapping[str, str]) -> SearchQuery:
    """Return the query of a reader's form, without the parameters that are not valid."""
    wanted = {name: value for name, value in parameters.items() if value.strip()}
    try:
        return SearchQuery.model_validate({**wanted, "q": wanted.get("q", "")[:_MOST_CHARS]})
    except ValidationError as error:
        wrong = {str(problem["loc"][0]) for problem in error.errors()}
        return SearchQuery.model_validate({name: value for name, value in wanted.items() if name not in wrong})
