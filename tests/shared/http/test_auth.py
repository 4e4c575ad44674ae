"""API keys: kept as hashes, found by them, useless at once when revoked."""

from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI
from redis.asyncio import Redis

from shared.http import auth, errors
from shared.http.api_keys import ApiKey, KeyRing, Scope
from shared.http.auth import key_with
from shared.model.errors import Forbidden, Unauthorized
from shared.runtime.settings import Settings
from shared.store import keys
from tests.factories import ADMIN_KEY
from tests.store_contents import store_contents

WIRE = ApiKey(name="wire", scopes=frozenset({"items:write"}), sources=frozenset({"press"}))


async def test_a_key_is_known_by_its_secret_which_the_store_does_not_hold(redis: Redis, settings: Settings) -> None:
    ring = KeyRing(redis, settings)

    token = await ring.create(WIRE)

    assert await ring.authenticate(f"Bearer {token}", "items:write") == WIRE
    assert await ring.authenticate(f"bearer  {token} ", "items:write") == WIRE
    assert token not in str(await store_contents(redis))


async def test_a_revoked_key_is_useless_at_once(redis: Redis, settings: Settings) -> None:
    ring = KeyRing(redis, settings)
    tokens = [await ring.create(WIRE) for _ in range(2)]
    other = await ring.create(WIRE.model_copy(update={"name": "other"}))

    revoked = await ring.revoke("wire")

    assert revoked == 2
    for token in tokens:
        with pytest.raises(Unauthorized):
            await ring.authenticate(f"Bearer {token}", "items:write")
    assert (await ring.authenticate(f"Bearer {other}", "items:write")).name == "other"
    assert [key.name for key in await ring.list()] == ["other"]


@pytest.mark.parametrize("scope", ["items:write", "items:read", "subscriptions:write", "admin"])
async def test_the_key_given_from_outside_opens_everything(redis: Redis, settings: Settings, scope: Scope) -> None:
    key = await KeyRing(redis, settings).authenticate(f"Bearer {ADMIN_KEY}", scope)

    key.require_source("any")


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param("Bearer ", id="no key"),
        pytest.param("Bearer wrong", id="unknown"),
        pytest.param(f"Bearer {ADMIN_KEY[:-1]}", id="shortened"),
        pytest.param(f"Basic {ADMIN_KEY}", id="another kind"),
        pytest.param("Bearer \u043a\u043b\u044e\u0447", id="not ASCII"),
    ],
)
async def test_what_is_no_known_key_is_unauthorized(redis: Redis, settings: Settings, header: str | None) -> None:
    with pytest.raises(Unauthorized):
        await KeyRing(redis, settings).authenticate(header, "items:write")


async def test_a_key_lacks_what_it_was_not_given(redis: Redis, settings: Settings) -> None:
    ring = KeyRing(redis, settings)
    token = await ring.create(WIRE)

    with pytest.raises(Forbidden, match="items:read"):
        await ring.authenticate(f"Bearer {token}", "items:read")
    with pytest.raises(Forbidden, match="gazette"):
        WIRE.require_source("gazette")


async def test_keys_are_found_by_their_hashes_and_by_nothing_else(redis: Redis, settings: Settings) -> None:
    ring = KeyRing(redis, settings)
    await ring.create(WIRE)
    (hashed,) = await redis.hkeys(keys.API_KEYS)

    with pytest.raises(Unauthorized):
        await ring.authenticate(f"Bearer {hashed!s}", "items:write")


async def test_a_route_gets_the_key_it_depends_on_and_is_not_run_without_it(redis: Redis, settings: Settings) -> None:
    app, seen = FastAPI(), list[str]()
    errors.install(app)
    auth.install(app, KeyRing(redis, settings).admit)

    @app.get("/items")
    async def items(key: Annotated[ApiKey, Depends(key_with("items:write"))]) -> None:
        seen.append(key.name)

    token = await KeyRing(redis, settings).create(WIRE)
    weak = await KeyRing(redis, settings).create(ApiKey(name="weak", scopes=frozenset({"items:read"})))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://any") as http:
        answers = [
            await http.get("/items", headers={"Authorization": f"Bearer {sent}"}) for sent in (token, weak, "unknown")
        ]

    assert [answer.status_code for answer in answers] == [200, 403, 401]
    assert seen == ["wire"]


def test_a_route_that_wants_a_key_says_so_in_openapi() -> None:
    app = FastAPI()

    @app.get("/secret", dependencies=[Depends(key_with("admin"))])
    async def secret() -> None: ...

    @app.get("/public")
    async def public() -> None: ...

    described = app.openapi()
    assert described["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert described["paths"]["/secret"]["get"]["security"] == [{"key": []}]
    assert "security" not in described["paths"]["/public"]["get"]
