"""Erasure: nothing of an erased item can be read anywhere, and the numbers of its revisions are not given out again."""

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import web
from redis.asyncio import Redis

from shared.runtime.settings import Settings
from shared.store import keys
from tests.clarion import Clarion, running_clarion
from tests.factories import an_item
from tests.ingest_service import Ingest
from tests.receiver import a_receiver
from tests.store_contents import store_contents
from tests.waiting import eventually

SECRET = "Mirabelle Quartz"


def a_secret(**changes: object) -> dict[str, object]:
    """Return an item that has the secret in every text; tags are words of the site, which other items share."""
    return an_item(
        title=SECRET,
        summary=f"What {SECRET} said",
        body=f"{SECRET} said so.",
        authors=[SECRET],
        place=SECRET,
        tags=["sea"],
        images=[{"url": "https://example.org/mirabelle.jpg", "alt": SECRET, "caption": SECRET, "credit": SECRET}],
        attachments=[{"url": "https://example.org/a.pdf", "title": SECRET, "media_type": "application/pdf"}],
        document={"number": SECRET, "signed_by": SECRET},
        translation_set="mirabelle",
        **changes,
    )


async def traces(redis: Redis) -> dict[str, object]:
    """Return what the store holds of the secret: every key, whatever its type, by its name or its content."""
    contents = await store_contents(redis)
    return {name: held for name, held in contents.items() if "mirabelle" in f"{name} {held}".lower()}


@pytest.mark.parametrize("retry_schedule", ["60", ""], ids=["what waits to be tried again", "what was given up"])
async def test_nothing_of_an_erased_item_is_left_and_subscribers_are_told(
    settings: Settings, redis: Redis, retry_schedule: str
) -> None:
    scheduled = settings.model_copy(update={"retry_schedule": Settings(retry_schedule=retry_schedule).retry_schedule})
    async with running_clarion(scheduled) as clarion, a_receiver() as receiver, a_receiver() as echo:
        echo.answer = lambda request: web.Response(status=500, body=request.body)
        await clarion.subscribe(receiver.url)
        await clarion.subscribe(echo.url)
        posted = {"source": "press", "external_id": "a", **a_secret()}
        first = await clarion.http.post("/v1/items", json=posted, headers={"Idempotency-Key": "k1"})
        await clarion.put("a", a_secret(slug="mirabelle-quartz-again", change_note=SECRET))
        urls = [first.json()["url"], (await clarion.http.get("/v1/items/press/a")).json()["url"]]
        await receiver.received(2)
        await echo.received(1)
        letter = json.dumps(["id", first.json()["event_id"], "body", SECRET])
        await redis.xadd(keys.DEAD_LETTERS, {"stream": keys.PAGES_STREAM, "reason": "broken", "fields": letter})
        await eventually(lambda: _is_settled(redis), "the echo's attempt")

        response = await clarion.http.request("DELETE", "/v1/items/press/a?purge=true")

        requests = await receiver.received(3)
        assert (response.status_code, response.json()["erased"]) == (200, True)
        await eventually(lambda: _is_clean(redis), "a store without a trace")
        told = json.loads(requests[2].body)
        assert (told["type"], told["data"]["item"]["external_id"]) == ("item.withdrawn.v1", "a")
        assert b"mirabelle" not in requests[2].body.lower()
        for url in urls:
            assert (await clarion.http.get(url)).status_code == 404
        assert (await clarion.http.get("/v1/items/press/a")).status_code == 404
    for file in site_files(settings):
        assert "mirabelle" not in file.name
        assert not file.is_file() or b"mirabelle" not in file.read_bytes().lower(), file


def site_files(settings: Settings) -> list[Path]:
    """Return the site's files, and what render keeps beside them: the search index too."""
    return list(settings.output_dir.rglob("*"))


async def _is_settled(redis: Redis) -> bool:
    return "mirabelle" in str([held for name, held in (await traces(redis)).items() if ":attempts:" in name]).lower()


async def _is_clean(redis: Redis) -> bool:
    return not await traces(redis)


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
    await ingest.render()

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


async def test_what_is_sent_while_an_item_is_being_erased_is_refused_and_taken_afterwards(ingest: Ingest) -> None:
    await ingest.put("a", an_item(title=SECRET))
    erasure = await ingest.http.request("DELETE", "/v1/items/press/a?purge=true")
    clean = an_item(title="The redacted version")

    refused = await ingest.http.put("/v1/items/press/a", json=clean)
    line = json.dumps({"source": "press", "external_id": "a", **clean})
    batch = await ingest.http.post("/v1/items/batch", content=line, headers={"Content-Type": "application/x-ndjson"})
    validated = await ingest.http.post("/v1/items/validate", json=json.loads(line))

    assert erasure.status_code == 202
    for answer in (refused, validated):
        assert answer.status_code == 409
        assert answer.json()["type"] == "urn:clarion:problem:being-erased"
        assert int(answer.headers["retry-after"]) > 0
    assert json.loads(batch.text)["problem"]["type"] == "urn:clarion:problem:being-erased"
    await ingest.render()
    await eventually(lambda: _is_over(ingest.redis), "the erasure")
    back = await ingest.put("a", clean)
    assert (back["revision"], back["state"]) == (3, "published")


async def test_the_same_content_is_refused_while_an_item_is_being_erased(ingest: Ingest) -> None:
    receipt = await ingest.put("a", an_item())
    # As another replica asks for it: the withdrawal comes a moment later.
    await ingest.redis.hset(keys.ERASURES, receipt["id"], json.dumps({"actor": "x", "trace_id": "t", "revision": 1}))

    answer = await ingest.http.put("/v1/items/press/a", json=an_item())

    assert answer.status_code == 409


async def test_an_erasure_destroys_nothing_that_was_accepted_after_it(ingest: Ingest) -> None:
    receipt = await ingest.put("a", an_item(title="First"))
    await ingest.put("a", an_item(title="Second"))
    # A replica of an older release took the second revision although the erasure of the first was asked for.
    wish = {"actor": "x", "trace_id": "t", "revision": 1}
    await ingest.redis.hset(keys.ERASURES, receipt["id"], json.dumps(wish))

    await eventually(lambda: _is_over(ingest.redis), "the end of the wish")

    found = await ingest.get("/v1/items/press/a")
    assert (found["state"], found["item"]["title"]) == ("published", "Second")


async def test_a_wish_of_an_older_release_is_fulfilled(ingest: Ingest) -> None:
    receipt = await ingest.put("a", an_item(title=SECRET))
    await ingest.redis.hset(keys.ERASURES, receipt["id"], json.dumps({"actor": "x", "trace_id": "t"}))

    async def is_withdrawn() -> bool:
        return bool((await ingest.get("/v1/items/press/a"))["state"] == "withdrawn")

    await eventually(is_withdrawn, "the withdrawal")


async def test_an_erasure_may_name_the_revision_that_its_sender_saw(ingest: Ingest) -> None:
    await ingest.put("a", an_item())
    await ingest.put("a", an_item(title="Another"))

    answer = await ingest.http.request("DELETE", "/v1/items/press/a?purge=true", headers={"If-Match": '"1"'})

    assert answer.status_code == 412
    assert await ingest.redis.hgetall(keys.ERASURES) == {}
    assert (await ingest.get("/v1/items/press/a"))["state"] == "published"


async def _is_over(redis: Redis) -> bool:
    return not await redis.exists(keys.ERASURES)
