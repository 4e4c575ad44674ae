"""The audit: who did what to which item, for admins."""

import json
from typing import Any

import httpx
import pytest

from shared.model.clock import iso, store_now
from tests.cli.command_acts import run
from tests.factories import an_item
from tests.ingest_service import Ingest


async def acts(ingest: Ingest, **asked: Any) -> list[tuple[str, str, str, int]]:  # Any: what a query may hold
    found = (await ingest.http.get("/v1/audit", params=asked)).json()["acts"]
    return [(one["actor"], one["act"], one["external_id"], one["revision"]) for one in found]


async def by_wire(ingest: Ingest, external_id: str) -> httpx.Response:
    headers = await ingest.with_key("items:write")
    return await ingest.http.put(f"/v1/items/press/{external_id}", json=an_item(), headers=headers)


async def test_every_act_is_noted_with_its_actor_newest_first(ingest: Ingest) -> None:
    await by_wire(ingest, "a")
    await ingest.put("a", an_item(title="Second"))
    await ingest.put("a", an_item(title="Second"))
    await ingest.withdraw("a")
    await ingest.put("b", an_item(publish_at="2999-01-01T00:00:00Z"))

    found = await acts(ingest)

    assert found == [
        ("bootstrap", "scheduled", "b", 1),
        ("bootstrap", "withdrawn", "a", 3),
        ("bootstrap", "revised", "a", 2),
        ("wire", "published", "a", 1),
    ]


async def test_acts_are_filtered_by_source_actor_and_moment(ingest: Ingest) -> None:
    await by_wire(ingest, "a")
    later = iso(await store_now(ingest.redis))
    await ingest.put("b", an_item())
    await ingest.http.put("/v1/items/gazette/c", json=an_item())

    assert [act[2] for act in await acts(ingest, source="press")] == ["b", "a"]
    assert [act[2] for act in await acts(ingest, actor="wire")] == ["a"]
    assert "c" in [act[2] for act in await acts(ingest, since=later)]
    assert await acts(ingest, since="2999-01-01T00:00:00Z") == []


async def test_a_walk_by_cursor_meets_every_act_once(ingest: Ingest) -> None:
    for number in range(7):
        await ingest.put(f"n{number}", an_item())

    met, cursor = [], ""
    while cursor is not None:
        page = await ingest.get(f"/v1/audit?limit=3{f'&cursor={cursor}' if cursor else ''}")
        met += [act["external_id"] for act in page["acts"]]
        cursor = page["next"]

    assert met == [f"n{number}" for number in range(6, -1, -1)]


async def test_only_admins_read_the_audit(ingest: Ingest) -> None:
    response = await ingest.http.get("/v1/audit", headers=await ingest.with_key("items:read", "items:write"))

    assert response.status_code == 403


@pytest.mark.parametrize(
    "asked", ["cursor=9", "cursor=0-0", "cursor=99999999999999999-0", "since=2026-05-22", "limit=0", "source=A"]
)
async def test_what_cannot_be_asked_is_refused(ingest: Ingest, asked: str) -> None:
    response = await ingest.http.get(f"/v1/audit?{asked}")

    assert response.status_code == 422


async def test_the_command_prints_acts_as_words_or_as_json(ingest: Ingest) -> None:
    await by_wire(ingest, "a")
    await ingest.put("b", an_item())

    words = await run(ingest.settings, "audit", "--limit", "1")
    lines = await run(ingest.settings, "audit", "--by", "wire", "--since", "2020-01-01", "--json")

    assert "bootstrap  published  press/b  revision 1" in words.stdout.splitlines()[-1]
    (act,) = [json.loads(line) for line in lines.stdout.splitlines() if line.startswith("{")]
    assert (act["actor"], act["external_id"]) == ("wire", "a")
