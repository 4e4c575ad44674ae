"""The console's door: who gets in, for how long, and whose forms are taken."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from redis.asyncio import Redis

from services.notify import app as notify
from services.notify.console.routes import own_path
from shared.http.api_keys import ApiKey, KeyRing
from shared.http.server import http_server
from shared.runtime.settings import Settings
from tests.factories import ADMIN_KEY
from tests.notify.console.operators import ConsoleOperator, fields, said, text_of
from tests.waiting import PATIENCE_SECONDS, eventually


@contextlib.asynccontextmanager
async def a_visitor(settings: Settings) -> AsyncIterator[ConsoleOperator]:
    """Run notify alone, over HTTP: the door needs no more."""
    address = f"http://127.0.0.1:{settings.port}"
    async with (
        notify.running(settings) as app,
        http_server(app, settings.host, settings.port, app.state.stopping),
        httpx.AsyncClient(base_url=address, headers={"Origin": address}, timeout=PATIENCE_SECONDS) as http,
    ):
        yield ConsoleOperator(http)


@pytest.fixture
async def visitor(settings: Settings) -> AsyncIterator[ConsoleOperator]:
    async with a_visitor(settings) as visitor:
        yield visitor


PAGES = ["/console", "/console/items", "/console/subscriptions", "/console/dead-letters", "/console/items/press/x"]


async def test_who_is_not_signed_in_is_asked_for_a_key_first(visitor: ConsoleOperator) -> None:
    answers = [await visitor.http.get(path) for path in PAGES]

    assert {answer.status_code for answer in answers} == {303}
    asked = [path.replace("/", "%2F") for path in PAGES]
    assert [answer.headers["location"] for answer in answers] == [f"/console/sign-in?then={path}" for path in asked]


async def test_an_admin_key_opens_the_page_that_was_asked_for(visitor: ConsoleOperator) -> None:
    answer = await visitor.sign_in(then="/console/items?before=5-0")

    assert answer.status_code == 303
    assert answer.headers["location"] == "/console/items?before=5-0"
    assert "There are no items" in await visitor.page(answer.headers["location"])


async def test_the_cookie_is_for_no_script_and_no_other_site(visitor: ConsoleOperator) -> None:
    answer = await visitor.sign_in()

    session = next(one for one in answer.headers.get_list("set-cookie") if one.startswith("clarion_console="))
    assert "HttpOnly" in session
    assert "SameSite=strict" in session
    assert "Path=/console" in session
    assert "Secure" not in session  # this site has no TLS


async def test_the_cookie_is_secure_where_the_site_has_tls(settings: Settings) -> None:
    async with a_visitor(settings.model_copy(update={"base_url": "https://news.example"})) as visitor:
        answer = await visitor.http.get("/console/sign-in")

    assert "Secure" in answer.headers["set-cookie"]


async def test_a_wrong_key_opens_nothing(visitor: ConsoleOperator) -> None:
    answers = [await visitor.sign_in(key) for key in ("", "wrong", ADMIN_KEY + "x", "ключ")]

    assert [answer.status_code for answer in answers] == [401] * 4
    assert {said(answer.text) for answer in answers} == {"This is not an admin key."}
    assert (await visitor.http.get("/console")).status_code == 303


async def test_a_key_without_the_scope_admin_opens_nothing(
    visitor: ConsoleOperator, redis: Redis, settings: Settings
) -> None:
    key = ApiKey(name="press", scopes=frozenset({"items:write", "subscriptions:write"}))
    secret = await KeyRing(redis, settings).create(key)

    answer = await visitor.sign_in(secret)

    assert answer.status_code == 403
    assert (await visitor.http.get("/console")).status_code == 303


async def test_after_five_wrong_keys_even_the_right_one_has_to_wait(visitor: ConsoleOperator) -> None:
    wrong = [(await visitor.sign_in("wrong")).status_code for _ in range(5)]

    answer = await visitor.sign_in()

    assert wrong == [401] * 5
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 300
    assert "too many wrong keys" in said(answer.text)


async def test_right_keys_are_not_counted(visitor: ConsoleOperator) -> None:
    answers = [(await visitor.sign_in()).status_code for _ in range(7)]

    assert answers == [303] * 7


async def test_a_client_behind_the_proxy_does_not_lock_out_the_others(visitor: ConsoleOperator) -> None:
    visitor.http.headers["X-Forwarded-For"] = "203.0.113.1, 203.0.113.7"
    for _ in range(6):
        await visitor.sign_in("wrong")
    visitor.http.headers["X-Forwarded-For"] = "203.0.113.8"

    answer = await visitor.sign_in()

    assert answer.status_code == 303


async def test_a_session_ends_with_signing_out_also_for_who_kept_its_cookie(operator: ConsoleOperator) -> None:
    kept = operator.http.cookies["clarion_console"]

    page = await operator.press("/console", "/console/sign-out")

    assert "Admin key" in page
    operator.http.cookies.set("clarion_console", kept)
    assert (await operator.http.get("/console")).status_code == 303


async def test_a_session_ends_when_its_key_is_revoked(
    visitor: ConsoleOperator, redis: Redis, settings: Settings
) -> None:
    key_ring = KeyRing(redis, settings)
    await visitor.sign_in(await key_ring.create(ApiKey(name="anna", scopes=frozenset({"admin"}))))
    before = await visitor.http.get("/console")

    await key_ring.revoke("anna")

    assert before.status_code == 200
    assert "anna" in before.text
    assert (await visitor.http.get("/console")).status_code == 303


async def test_a_session_ends_by_itself(settings: Settings, redis: Redis) -> None:
    async with a_visitor(settings.model_copy(update={"console_session": timedelta(seconds=1)})) as visitor:
        await visitor.sign_in()
        before = await visitor.http.get("/console")

        async def is_over() -> bool:
            return (await visitor.http.get("/console")).status_code == 303

        await eventually(is_over, "the end of the session")
    assert before.status_code == 200
    assert [key async for key in redis.scan_iter(match="*console-session*")] == []


async def test_neither_key_nor_cookie_lies_open_in_the_store(operator: ConsoleOperator, redis: Redis) -> None:
    (session,) = [key async for key in redis.scan_iter(match="*console-session*")]

    kept = session + str(await redis.hgetall(session))

    assert ADMIN_KEY not in kept
    assert operator.http.cookies["clarion_console"] not in kept


BUTTONS = [
    "/console/rebuild",
    "/console/sign-out",
    "/console/subscriptions/subx/pause",
    "/console/items/press/x/withdraw",
    "/console/deliveries/a-subx/retry",
]


async def test_a_button_without_its_token_does_nothing(operator: ConsoleOperator, redis: Redis) -> None:
    tokens: tuple[dict[str, str], ...] = ({}, {"csrf": ""}, {"csrf": "0" * 64})

    answers = [await operator.http.post(action, data=token) for action in BUTTONS for token in tokens]

    assert {answer.status_code for answer in answers} == {403}
    assert await redis.exists("{site}:rebuild") == 0
    assert (await operator.http.get("/console")).status_code == 200


async def test_a_button_pressed_from_another_site_does_nothing(operator: ConsoleOperator, redis: Redis) -> None:
    form = fields(await operator.page("/console"), "/console/rebuild")
    origins = ("https://evil.example", "null", "", f"{operator.http.base_url}.evil.example")

    answers = [await operator.http.post("/console/rebuild", data=form, headers={"Origin": one}) for one in origins]

    assert [answer.status_code for answer in answers] == [403] * 4
    assert all("another site" in text_of(answer.text) for answer in answers)
    assert await redis.exists("{site}:rebuild") == 0


async def test_signing_in_takes_no_form_of_another_site_either(visitor: ConsoleOperator) -> None:
    form = fields(await visitor.page("/console/sign-in"), "/console/sign-in")
    data = {**form, "key": ADMIN_KEY}

    foreign = await visitor.http.post("/console/sign-in", data=data, headers={"Origin": "https://evil.example"})
    forged = await visitor.http.post("/console/sign-in", data={**data, "csrf": "0" * 64})

    assert (foreign.status_code, forged.status_code) == (403, 403)
    assert "clarion_console" not in visitor.http.cookies


async def test_a_token_of_another_session_is_none(visitor: ConsoleOperator, redis: Redis) -> None:
    await visitor.sign_in()
    old = fields(await visitor.page("/console"), "/console/rebuild")
    await visitor.sign_in()

    answer = await visitor.http.post("/console/rebuild", data=old)

    assert answer.status_code == 403
    assert await redis.exists("{site}:rebuild") == 0


async def test_a_form_of_endless_length_is_not_read(visitor: ConsoleOperator) -> None:
    answer = await visitor.http.post("/console/sign-in", data={"key": "x" * 70_000})

    assert answer.status_code == 413


async def test_every_answer_allows_only_what_the_console_brings_itself(operator: ConsoleOperator) -> None:
    paths = ("/console", "/console/sign-in", "/console/items/press/none", "/console/static/console.css")

    answers = [await operator.http.get(path) for path in paths]

    assert [answer.status_code for answer in answers] == [200, 200, 404, 200]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'self';")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert answers[0].headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        pytest.param("/console", "/console", id="home"),
        pytest.param("/console/items?q=a", "/console/items?q=a", id="a page with a query"),
        pytest.param("/console-evil", "/console", id="beside it"),
        pytest.param("//evil.example/console/", "/console", id="another host"),
        pytest.param("https://evil.example/console/", "/console", id="another address"),
        pytest.param("/console/\\evil.example", "/console", id="a backslash"),
        pytest.param("/console/\r\nSet-Cookie: a=b", "/console", id="a line of its own"),
        pytest.param("javascript:alert(1)", "/console", id="a script"),
        pytest.param("", "/console", id="nothing"),
    ],
)
def test_a_way_back_leads_into_the_console_only(asked: str, path: str) -> None:
    assert own_path(asked) == path
