"""Errors as answers: every one is a problem in the form of RFC 9457."""

from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, Query
from redis.exceptions import ConnectionError as StoreAwayError
from redis.exceptions import OutOfMemoryError

from shared.http import errors as http_errors
from shared.model import errors

ERRORS: dict[str, Exception] = {
    "malformed": errors.Malformed("not JSON"),
    "unauthorized": errors.Unauthorized("no key"),
    "forbidden": errors.Forbidden("no"),
    "missing": errors.NotFound("nothing"),
    "conflict": errors.Conflict("taken"),
    "expired": errors.Expired("no longer"),
    "precondition": errors.PreconditionFailed("moved"),
    "large": errors.TooLarge("large"),
    "media": errors.UnsupportedMediaType("text"),
    "invalid": errors.Invalid("wrong", errors=(errors.FieldError("/images/0/alt", "missing"),)),
    "often": errors.TooManyRequests("wait", headers={"Retry-After": "3"}),
    "away": errors.Unavailable("down"),
    "store": StoreAwayError("refused"),
    "disk": OSError("no disk"),
    "full": errors.StoreFull("full"),
    "memory": OutOfMemoryError("OOM"),
    "broken": RuntimeError("the secret reason"),
}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    http_errors.install(app)

    @app.get("/raise/{name}")
    async def raise_it(name: str) -> None:
        raise ERRORS[name]

    @app.get("/query")
    async def query(limit: Annotated[int, Query(ge=1)]) -> int:
        return limit

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as made:
        yield made


@pytest.mark.parametrize(
    ("name", "status", "headers"),
    [
        pytest.param("malformed", 400, {}, id="400"),
        pytest.param("unauthorized", 401, {"www-authenticate": "Bearer"}, id="401"),
        pytest.param("forbidden", 403, {}, id="403"),
        pytest.param("missing", 404, {}, id="404"),
        pytest.param("conflict", 409, {}, id="409"),
        pytest.param("expired", 410, {}, id="410"),
        pytest.param("precondition", 412, {}, id="412"),
        pytest.param("large", 413, {}, id="413"),
        pytest.param("media", 415, {}, id="415"),
        pytest.param("invalid", 422, {}, id="422"),
        pytest.param("often", 429, {"retry-after": "3"}, id="429"),
        pytest.param("away", 503, {"retry-after": "1"}, id="503"),
        pytest.param("store", 503, {"retry-after": "1"}, id="503 of the store"),
        pytest.param("disk", 503, {"retry-after": "1"}, id="503 of the disk"),
        pytest.param("full", 507, {}, id="507"),
        pytest.param("memory", 507, {}, id="507 of the store"),
        pytest.param("broken", 500, {}, id="500"),
    ],
)
async def test_every_error_is_a_problem(
    client: httpx.AsyncClient, name: str, status: int, headers: dict[str, str]
) -> None:
    response = await client.get(f"/raise/{name}")

    problem = response.json()
    assert response.status_code == problem["status"] == status
    assert response.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "detail"} <= set(problem)
    assert headers.items() <= dict(response.headers).items()
    assert "secret" not in response.text


async def test_every_wrong_field_is_named_by_a_pointer(client: httpx.AsyncClient) -> None:
    response = await client.get("/raise/invalid")

    assert response.json()["errors"] == [{"pointer": "/images/0/alt", "detail": "missing"}]


async def test_a_wrong_query_is_named_by_its_parameter(client: httpx.AsyncClient) -> None:
    response = await client.get("/query?limit=0")

    assert [error["pointer"] for error in response.json()["errors"]] == ["/limit"]
