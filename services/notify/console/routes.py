"""The operator's console: its addresses, and what stands behind each."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.notify.console.actions import Acts, Form
from services.notify.console.dead_letters import LetterPages
from services.notify.console.deliveries import Deliveries
from services.notify.console.items import Items
from services.notify.console.live import is_stream_wanted, live_stream
from services.notify.console.overview import Overview
from services.notify.console.rendering import ConsolePages, View
from services.notify.console.sessions import Operator, Said, Sessions
from services.notify.console.sign_in import HOME, Door, own_path
from services.notify.console.subscriptions import Subscriptions
from services.notify.log.event_log import LogNoLongerReaches
from shared.model.errors import NotFound, Refused, Unavailable
from shared.model.ids import DeliveryId, SubscriptionId

_MOST_DIGITS = 6
# The id of an entry of a stream.
_PLACE = re.compile(r"\d{1,15}-\d{1,10}")
# The same, and the shard that it lies in.
_CURSOR = re.compile(r"\d{1,15}-\d{1,10}-\d{1,3}")

Show = Callable[[Request, Operator], Awaitable[View]]
Act = Callable[[Request, Operator, Form], Awaitable[str]]


@dataclass(frozen=True)
class Parts:
    """What the console is made of."""

    door: Door
    sessions: Sessions
    pages: ConsolePages
    overview: Overview
    items: Items
    subscriptions: Subscriptions
    deliveries: Deliveries
    letters: LetterPages
    acts: Acts


def console_router(parts: Parts, stopping: asyncio.Event) -> APIRouter:
    """Return the routes below /console; pages that are followed live end when `stopping` is set."""
    return _Routes(parts, stopping).router


class _Routes:
    def __init__(self, parts: Parts, stopping: asyncio.Event) -> None:
        self._door = parts.door
        self._sessions = parts.sessions
        self._pages = parts.pages
        self._items = parts.items
        self._subscriptions = parts.subscriptions
        self._deliveries = parts.deliveries
        self._letters = parts.letters
        self._acts = parts.acts
        self._stopping = stopping
        self.router = APIRouter(prefix=HOME, include_in_schema=False)
        self._add("GET", "/static/{name}", self._static)
        self._add("GET", "/sign-in", self._door.form)
        self._add("POST", "/sign-in", self._door.sign_in)
        self._add("POST", "/sign-out", self._door.sign_out)
        self._add("GET", "/items/find", self._find)
        self._add_pages(parts.overview)
        self._add_buttons()

    def _add_pages(self, overview: Overview) -> None:
        self._add_page("", lambda _, __: overview.view())
        self._add_page("/items", self._show_items)
        self._add_page("/items/{source}/{external_id}", self._show_item)
        self._add_page("/subscriptions", self._show_subscriptions)
        self._add_page("/subscriptions/{subscription_id}", self._show_subscription)
        self._add_page("/deliveries/{delivery_id}", self._show_delivery)
        self._add_page("/dead-letters", self._show_dead_letters)

    def _add_buttons(self) -> None:
        self._add_button("/rebuild", lambda _, operator, __: self._acts.rebuild(operator))
        self._add_button("/items/{source}/{external_id}/withdraw", self._withdraw)
        self._add_button("/subscriptions/{subscription_id}/pause", self._pause)
        self._add_button("/subscriptions/{subscription_id}/resume", self._resume)
        self._add_button("/subscriptions/{subscription_id}/ping", self._ping)
        self._add_button("/subscriptions/{subscription_id}/replay", self._replay)
        self._add_button("/deliveries/{delivery_id}/retry", self._retry)
        self._add_button("/dead-letters/{letter_id}/replay", self._replay_event)

    def _add(self, method: str, path: str, handle: Callable[[Request], Awaitable[Response]]) -> None:
        self.router.add_api_route(path, self._door.guarded(handle), methods=[method])

    def _add_page(self, path: str, show: Show) -> None:
        async def get(request: Request) -> Response:
            operator = await self._door.operator(request)
            if is_stream_wanted(request):
                return live_stream(partial(self._look, request, show), self._stopping)
            view = await show(request, operator)
            return self._pages.page(view, operator, await self._sessions.said(operator))

        self._add("GET", path, get)

    async def _look(self, request: Request, show: Show) -> str:
        # The session is asked for every time: what has ended must show nothing more.
        operator = await self._door.operator(request)
        return self._pages.live(await show(request, operator), operator)

    def _add_button(self, path: str, act: Act) -> None:
        async def post(request: Request) -> Response:
            operator, form = await self._door.operator_with_form(request)
            back = own_path(form.get("back") or request.url.path.rpartition("/")[0])
            try:
                said = Said(await act(request, operator, form))
            except LogNoLongerReaches as error:
                said = Said(f"{error.detail}.", is_refusal=True)
                back = f"{back}?oldest={error.oldest}"
            except (Refused, Unavailable) as error:
                said = Said(str(error), is_refusal=True)
            await self._sessions.say(operator, said)
            return RedirectResponse(back, 303)

        self._add("POST", path, post)

    async def _static(self, request: Request) -> Response:
        found = self._pages.static_file(request.path_params["name"])
        if found is None:
            raise NotFound("there is no such file")
        return found

    async def _find(self, request: Request) -> Response:
        operator = await self._door.operator(request)
        asked = request.query_params.get("q", "").strip()[:2048]
        item = await self._items.find(asked) if asked else None
        if item is not None:
            return RedirectResponse(f"{HOME}/items/{item.source}/{quote(item.external_id)}", 303)
        return self._pages.page(await self._items.newest(None, asked), operator, None, status=404 if asked else 200)

    async def _show_items(self, request: Request, _: Operator) -> View:
        return await self._items.newest(_place(request, "before"))

    async def _show_item(self, request: Request, _: Operator) -> View:
        return await self._items.one(*_item_of(request))

    async def _show_subscriptions(self, request: Request, operator: Operator) -> View:
        page = request.query_params.get("page", "1")
        number = int(page) if page.isdecimal() and len(page) < _MOST_DIGITS else 1
        return await self._subscriptions.all(operator.key, request.query_params.get("state"), max(1, number))

    async def _show_subscription(self, request: Request, operator: Operator) -> View:
        return await self._subscriptions.one(
            _subscription_of(request),
            operator.key,
            request.query_params.get("outcome"),
            _place(request, "before"),
            _place(request, "oldest"),
        )

    async def _show_delivery(self, request: Request, operator: Operator) -> View:
        return await self._deliveries.one(DeliveryId(request.path_params["delivery_id"]), operator.key)

    async def _show_dead_letters(self, request: Request, _: Operator) -> View:
        cursor = request.query_params.get("cursor", "")
        return await self._letters.all(cursor if _CURSOR.fullmatch(cursor) else None)

    async def _pause(self, request: Request, operator: Operator, _: Form) -> str:
        return await self._acts.pause(operator, _subscription_of(request))

    async def _resume(self, request: Request, operator: Operator, form: Form) -> str:
        return await self._acts.resume(operator, _subscription_of(request), form)

    async def _ping(self, request: Request, operator: Operator, _: Form) -> str:
        return await self._acts.ping(operator, _subscription_of(request))

    async def _replay(self, request: Request, operator: Operator, form: Form) -> str:
        return await self._acts.replay(operator, _subscription_of(request), form)

    async def _retry(self, request: Request, operator: Operator, _: Form) -> str:
        return await self._acts.retry(operator, DeliveryId(request.path_params["delivery_id"]))

    async def _replay_event(self, request: Request, operator: Operator, _: Form) -> str:
        letter_id = request.path_params["letter_id"]
        if not _PLACE.fullmatch(letter_id):
            raise NotFound("there is no such dead letter")
        return await self._acts.replay_event(operator, letter_id)

    async def _withdraw(self, request: Request, operator: Operator, form: Form) -> str:
        return await self._acts.withdraw(operator, *_item_of(request), form)


def _item_of(request: Request) -> tuple[str, str]:
    return request.path_params["source"], request.path_params["external_id"]


def _subscription_of(request: Request) -> SubscriptionId:
    return SubscriptionId(request.path_params["subscription_id"])


def _place(request: Request, name: str) -> str | None:
    """Return the place in a stream that the query names, or None for none or for what is no place."""
    asked = request.query_params.get(name, "")
    return asked if _PLACE.fullmatch(asked) else None
