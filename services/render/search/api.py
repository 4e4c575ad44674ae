"""Search over HTTP: the page of results for readers, and the same as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.render.pages.edition import Edition
from services.render.search.index import Question
from services.render.search.service import Search
from services.render.text.stemming import terms_of
from services.render.theme.search_results import SearchResult, SearchResults, passage, search_result
from services.render.web.answers import SiteAnswers
from shared.model.clock import iso, to_ms
from shared.model.errors import FieldError, Invalid
from shared.model.items import PublicItem
from shared.model.urls import search_path

RESULTS_ON_PAGE = 20
_MOST_WORDS = 12
_MOST_CHARS = 200
# Who has read so many results asks a better question.
_MOST_PAGES = 50


class Asked(BaseModel):
    """What is asked for."""

    model_config = ConfigDict(extra="ignore", frozen=True, str_strip_whitespace=True)

    q: Annotated[
        str, Field(max_length=_MOST_CHARS, description="Words, or beginnings of words; all must be there.")
    ] = ""
    lang: Annotated[str | None, Field(description="A language of the site.")] = None
    section: Annotated[str | None, Field(description="A section, with those below it.")] = None
    since: Annotated[date | None, Field(description="Published on this day of the site's time zone or later.")] = None
    until: Annotated[date | None, Field(description="Published on this day or before.")] = None
    page: Annotated[int, Field(ge=1, le=_MOST_PAGES)] = 1


@dataclass(frozen=True)
class _Answer:
    """The results of a question."""

    question: Question
    items: list[PublicItem]
    has_more: bool


class SearchRoutes:
    """Answers `/{lang}/search/` and `/v1/search`."""

    def __init__(self, search: Search, edition: Edition, answers: SiteAnswers) -> None:
        self._search = search
        self._site = edition.site
        self._theme = edition.theme
        self._base_url = edition.base_url
        self._answers = answers
        self.router = APIRouter(tags=["public"])
        self.router.add_api_route("/v1/search", self.get_json, methods=["GET"], summary="Search published items")
        self.router.add_api_route("/{lang}/search/", self.get_page, methods=["GET", "HEAD"], include_in_schema=False)

    async def get_json(self, asked: Annotated[Asked, Query()]) -> JSONResponse:
        """Return what was found, newest first."""
        errors = []
        if asked.lang is not None and asked.lang not in self._site.languages:
            errors.append(FieldError("/lang", f"this site has {', '.join(self._site.languages)}"))
        if asked.section is not None and asked.section not in self._site.section_at:
            errors.append(FieldError("/section", f"this site has {', '.join(self._site.section_at)}"))
        if errors:
            raise Invalid("the query names what the site does not have", errors=tuple(errors))
        answer = await self._answer(asked)
        items = [self._told(item, answer.question) for item in answer.items]
        following = self._page_url("/v1/search", asked, asked.page + 1) if answer.has_more else None
        return JSONResponse({"items": items, "next": following and self._base_url + following})

    async def get_page(self, request: Request, lang: str) -> Response:
        """Return the page of results; what the form could not have sent is passed over."""
        if lang not in self._site.languages:
            return self._answers.not_found(lang)
        asked = _read(dict(request.query_params)).model_copy(update={"lang": lang})
        if asked.section not in self._site.section_at:
            asked = asked.model_copy(update={"section": None})
        answer = await self._answer(asked)
        path = search_path(lang)
        results = SearchResults(
            words=asked.q,
            section=asked.section,
            since=asked.since.isoformat() if asked.since else "",
            until=asked.until.isoformat() if asked.until else "",
            found=[self._result(item, answer.question) for item in answer.items],
            previous=self._page_url(path, asked, asked.page - 1) if asked.page > 1 else None,
            following=self._page_url(path, asked, asked.page + 1) if answer.has_more else None,
        )
        return self._answers.html(200, self._theme.search_page(lang, results))

    async def _answer(self, asked: Asked) -> _Answer:
        languages = [asked.lang] if asked.lang else self._site.languages
        question = Question(
            terms=terms_of(asked.q, languages)[:_MOST_WORDS],
            lang=asked.lang,
            section=asked.section,
            since_ms=self._midnight(asked.since),
            until_ms=self._midnight(asked.until + timedelta(days=1)) if asked.until else None,
        )
        found = await self._search.find(question, RESULTS_ON_PAGE, (asked.page - 1) * RESULTS_ON_PAGE)
        has_more = found.has_more and asked.page < _MOST_PAGES
        return _Answer(question, list(found.items), has_more)

    def _midnight(self, day: date | None) -> int | None:
        return to_ms(datetime.combine(day, time(), self._site.zone)) if day else None

    def _result(self, item: PublicItem, question: Question) -> SearchResult:
        return search_result(item, self._theme.card(item), question.terms)

    def _told(self, item: PublicItem, question: Question) -> Mapping[str, object]:
        revision = item.revision
        return {
            "id": item.item.id,
            "source": item.item.source,
            "external_id": item.item.external_id,
            "lang": revision.lang,
            "section": revision.section,
            "title": revision.title,
            "excerpt": passage(item, question.terms),
            "published_at": iso(item.published_at),
            "tags": revision.tags,
            "url": self._base_url + item.path,
        }

    @staticmethod
    def _page_url(path: str, asked: Asked, page: int) -> str:
        wanted = asked.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        if path != "/v1/search":
            wanted.pop("lang", None)
        return f"{path}?{urlencode({**wanted, 'page': page})}"


def _read(parameters: Mapping[str, str]) -> Asked:
    """Return what a reader's form says, without what cannot be read."""
    wanted = {name: value for name, value in parameters.items() if value.strip()}
    try:
        return Asked.model_validate({**wanted, "q": wanted.get("q", "")[:_MOST_CHARS]})
    except ValidationError as error:
        wrong = {str(problem["loc"][0]) for problem in error.errors()}
        return Asked.model_validate({name: value for name, value in wanted.items() if name not in wrong})
