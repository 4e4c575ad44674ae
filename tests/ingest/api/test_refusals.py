"""Bad input: each its documented code, everything that is wrong listed, nothing written."""

import json
from collections.abc import AsyncIterator

import pytest

from shared.http.api_keys import Scope
from tests.factories import an_item, as_json
from tests.ingest_service import Ingest
from tests.store_contents import store_contents

URL = "/v1/items/press/opening"


@pytest.mark.parametrize(
    ("item", "pointers"),
    [
        pytest.param(an_item(colour="red"), ["/colour"], id="unknown field"),
        pytest.param(an_item(title=...), ["/title"], id="missing title"),
        pytest.param(an_item(title="  "), ["/title"], id="blank title"),
        pytest.param(an_item(title="Two\nlines"), ["/title"], id="title of two lines"),
        pytest.param(an_item(body=""), ["/body"], id="empty body"),
        pytest.param(an_item(published_at="2026-05-22T14:47:00"), ["/published_at"], id="naive datetime"),
        pytest.param(an_item(published_at="2999-01-01T00:00:00Z"), ["/published_at"], id="future without publish_at"),
        pytest.param(an_item(published_at="0400-01-01T00:00:00Z"), ["/published_at"], id="three-digit year"),
        pytest.param(an_item(section="sport"), ["/section"], id="unknown section"),
        pytest.param(an_item(lang="fr"), ["/lang"], id="unknown language"),
        pytest.param(an_item(title="bill\u202etxt.exe"), ["/title"], id="override of the writing direction"),
        pytest.param(an_item(body="left \u2067 open"), ["/body"], id="unbalanced isolate"),
        pytest.param(an_item(body="bell \x07"), ["/body"], id="control character"),
        pytest.param(an_item(tags=["ok", "Not Ok"]), ["/tags/1"], id="tag"),
        pytest.param(an_item(slug="../up"), ["/slug"], id="slug out of its folder"),
        pytest.param(an_item(slug="2026"), ["/slug"], id="slug of digits"),
        pytest.param(an_item(slug="tags"), ["/slug"], id="reserved slug"),
        pytest.param(an_item(body_format="rtf"), ["/body_format"], id="body format"),
        pytest.param(
            an_item(images=[{"url": "javascript:alert(1)", "alt": ""}, {"url": "https://example.org/a.jpg"}]),
            ["/images/0/url", "/images/1/alt"],
            id="pictures",
        ),
        pytest.param(
            an_item(title=..., lang="fr", section="sport", extra=1, document={"signed_on": "soon"}),
            ["/lang", "/section", "/title", "/document/signed_on", "/extra"],
            id="several at once",
        ),
        pytest.param({}, ["/lang", "/section", "/title", "/body"], id="nothing"),
    ],
)
async def test_an_item_that_breaks_rules_is_refused_with_all_of_them(
    ingest: Ingest, item: dict[str, object], pointers: list[str]
) -> None:
    before = await store_contents(ingest.redis)

    response = await ingest.http.put(URL, content=json.dumps(item), headers={"Content-Type": "application/json"})

    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert [error["pointer"] for error in response.json()["errors"]] == pointers
    assert all(error["detail"] for error in response.json()["errors"])
    assert await store_contents(ingest.redis) == before


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        pytest.param(b"{", "application/json", 400, id="invalid JSON"),
        pytest.param(b"", "application/json", 400, id="empty"),
        pytest.param(as_json(an_item()).replace(b"harbour", b"\xff\xfe"), "application/json", 400, id="invalid UTF-8"),
        pytest.param(as_json(an_item()).replace(b"harbour", b"\\ud800"), "application/json", 400, id="lone surrogate"),
        pytest.param(b"[]", "application/json", 422, id="a list"),
        pytest.param(as_json(an_item()), "text/plain", 415, id="wrong content type"),
        pytest.param(as_json(an_item()), "application/x-www-form-urlencoded", 415, id="form"),
        pytest.param(as_json(an_item(body="x" * 2_097_152)), "application/json", 413, id="2 MiB"),
        pytest.param(b"[" * 100_000, "application/json", 400, id="deeply nested"),
    ],
)
async def test_a_body_that_is_no_item_is_refused(ingest: Ingest, content: bytes, media_type: str, status: int) -> None:
    before = await store_contents(ingest.redis)

    response = await ingest.http.put(URL, content=content, headers={"Content-Type": media_type})

    assert response.status_code == status
    assert response.json()["status"] == status
    assert await store_contents(ingest.redis) == before


async def test_a_body_without_a_length_is_cut_off_at_the_limit(ingest: Ingest) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 65_536

    response = await ingest.http.put(URL, content=endless(), headers={"Content-Type": "application/json"})

    assert response.status_code == 413


@pytest.mark.parametrize(
    ("header", "status"),
    [
        pytest.param({"Authorization": ""}, 401, id="none"),
        pytest.param({"Authorization": "Bearer clk_unknown"}, 401, id="unknown"),
        pytest.param({"Authorization": "Basic cHJlc3M6cHJlc3M="}, 401, id="another kind"),
        pytest.param({"Authorization": "Bearer"}, 401, id="no key in it"),
    ],
)
async def test_without_a_key_nothing_is_taken(ingest: Ingest, header: dict[str, str], status: int) -> None:
    before = await store_contents(ingest.redis)

    response = await ingest.http.put(URL, json=an_item(), headers=header)

    assert response.status_code == status
    assert response.headers["www-authenticate"] == "Bearer"
    assert await store_contents(ingest.redis) == before


@pytest.mark.parametrize(
    ("scopes", "sources", "status"),
    [
        pytest.param(("items:write",), ("press",), 201, id="its own source"),
        pytest.param(("items:write",), ("gazette",), 403, id="another source"),
        pytest.param(("items:write",), (), 403, id="no source"),
        pytest.param(("items:read",), ("press",), 403, id="may only read"),
        pytest.param(("subscriptions:write",), ("press",), 403, id="another scope"),
        pytest.param(("admin",), (), 201, id="admin"),
    ],
)
async def test_a_key_opens_its_scopes_and_sources_only(
    ingest: Ingest, scopes: tuple[Scope, ...], sources: tuple[str, ...], status: int
) -> None:
    header = await ingest.with_key(*scopes, sources=sources)

    by_put = await ingest.http.put(URL, json=an_item(), headers=header)
    by_post = await ingest.http.post(
        "/v1/items", json={"source": "press", "external_id": "other", **an_item()}, headers=header
    )

    assert (by_put.status_code, by_post.status_code) == (status, status)
    assert len(await ingest.events()) == (2 if status == 201 else 0)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/v1/items/Press/a", id="capitals in a source"),
        pytest.param("/v1/items/press/a%20b", id="space"),
        pytest.param(f"/v1/items/press/{'a' * 201}", id="long"),
        pytest.param("/v1/items/-/a", id="only a hyphen"),
    ],
)
async def test_a_path_that_names_no_possible_item_is_refused(ingest: Ingest, path: str) -> None:
    response = await ingest.http.put(path, json=an_item())

    assert response.status_code == 422


async def test_an_unknown_path_and_method_are_problems_too(ingest: Ingest) -> None:
    missing = await ingest.http.get("/v1/nothing")
    method = await ingest.http.patch(URL)

    assert (missing.status_code, method.status_code) == (404, 405)
    assert {missing.headers["content-type"], method.headers["content-type"]} == {"application/problem+json"}
