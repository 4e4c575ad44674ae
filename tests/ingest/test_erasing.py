"""Erasure: nothing of an erased item can be read anywhere, and the numbers of its revisions are not given out again."""

import asyncio

from redis.asyncio import Redis

from shared import keys
from tests.factories import an_item
from tests.fakes import Clarion, eventually, receiving
from tests.ingest.conftest import Ingest
from tests.store_contents import store_contents

SECRET = "Mirabelle Quartz"


async def test_an_erased_item_is_nowhere_and_subscribers_were_told(clarion: Clarion, redis: Redis) -> None:
    async with receiving() as receiver:
        await clarion.subscribe(receiver.url)
        receipt = await clarion.put("a", an_item(title=SECRET, body=f"{SECRET} said so.", tags=["sea"]))
        await clarion.put("a", an_item(title=SECRET, body=f"{SECRET} said so again.", tags=["sea"], slug="moved"))
        page = (await clarion.http.get("/v1/items/press/a")).json()["url"]
        await clarion.page(page)
        await receiver.received(2)

        response = await clarion.http.request("DELETE", "/v1/items/press/a?purge=true")

        requests = await receiver.received(3)
    assert (response.status_code, response.json()["erased"]) == (200, True)
    assert b"item.withdrawn.v1" in requests[2].body
    assert SECRET.encode() not in requests[2].body
    left = str(await store_contents(redis, without=("{d",)))
    assert SECRET not in left
    assert "mirabelle" not in left
    for url in (page, receipt["url"]):
        assert (await clarion.http.get(url)).status_code == 404
    assert (await clarion.http.get("/v1/items/press/a")).status_code == 404
    for file in clarion.settings.output_dir.rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes(), file


async def test_what_comes_back_after_an_erasure_goes_on_with_the_next_number(clarion: Clarion) -> None:
    await clarion.put("a", an_item())
    await clarion.http.request("DELETE", "/v1/items/press/a?purge=true")

    back = await clarion.put("a", an_item())

    assert (back["revision"], back["state"]) == (3, "published")
    assert "The harbour opens" in await clarion.page(back["url"])


async def test_an_erasure_waits_until_render_has_told_of_it(ingest: Ingest) -> None:
    receipt = await ingest.put("a", an_item(title=SECRET))

    response = await ingest.http.request("DELETE", "/v1/items/press/a?purge=true")

    found = await ingest.get("/v1/items/press/a")
    assert (response.status_code, response.json()["erased"]) == (202, False)
    assert (found["state"], found["item"]["title"]) == ("withdrawn", "")
    # What render does when it has announced the withdrawal.
    await ingest.redis.hset(keys.item(receipt["id"]), "announced", "2")

    async def is_gone() -> bool:
        return (await ingest.http.get("/v1/items/press/a")).status_code == 404

    await eventually(is_gone, "the erasure")
    stub = await ingest.redis.hgetall(keys.item(receipt["id"]))
    assert (stub["latest"], stub["state"], stub["path"]) == ("2", "withdrawn", "")
    assert await ingest.redis.hgetall(keys.ERASURES) == {}


async def test_what_was_never_public_is_erased_at_once(ingest: Ingest) -> None:
    await ingest.put("a", an_item(title=SECRET, publish_at="2999-01-01T00:00:00Z"))

    response = await ingest.http.request("DELETE", "/v1/items/press/a?purge=true")

    assert response.json()["erased"] is True
    assert SECRET not in str(await store_contents(ingest.redis))
    assert await ingest.events() == []


async def test_erasing_wants_an_admin(ingest: Ingest) -> None:
    await ingest.put("a", an_item())
    header = await ingest.with_key("items:write")

    response = await ingest.http.request("DELETE", "/v1/items/press/a?purge=true", headers=header)
    unknown = await ingest.http.request("DELETE", "/v1/items/press/never?purge=true")

    assert (response.status_code, unknown.status_code) == (403, 404)
    assert len(await ingest.events()) == 1


async def test_erasing_twice_is_erasing_once(ingest: Ingest) -> None:
    await ingest.put("a", an_item(publish_at="2999-01-01T00:00:00Z"))

    answers = await asyncio.gather(*(ingest.http.request("DELETE", "/v1/items/press/a?purge=true") for _ in range(4)))

    assert {answer.status_code for answer in answers} == {200}
    assert await ingest.redis.hgetall(keys.ERASURES) == {}
    audit = await ingest.redis.xrange(keys.AUDIT)
    assert str(audit).count("'erased'") == 1
