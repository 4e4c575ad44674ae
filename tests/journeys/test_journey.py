"""The whole way of an item: in over HTTP, out as a page, feeds and a signed webhook, all of it real."""

import json

import httpx
import pytest

from tests.clarion import Clarion
from tests.factories import an_item
from tests.receiver import Received, a_receiver
from tests.waiting import eventually


async def test_an_item_becomes_a_page_three_feeds_and_a_verified_webhook(clarion: Clarion) -> None:
    async with a_receiver() as receiver:
        seen_inside_handler: list[httpx.Response] = []

        async def read_the_page(request: Received) -> int:
            url = json.loads(request.body)["data"]["url"]
            seen_inside_handler.append(await clarion.http.get(url))
            return 200

        receiver.answer = read_the_page
        subscription = await clarion.subscribe(receiver.url)

        receipt = await clarion.put("opening", an_item(title="The harbour <opens> & stays open", tags=["sea"]))

        (request,) = await receiver.received()
    body = request.verify(subscription["secret"])
    assert body["type"] == "item.published.v1"
    assert body["data"]["url"] == receipt["url"]
    assert body["data"]["event_id"] == receipt["event_id"]
    assert seen_inside_handler[0].status_code == 200
    assert "The harbour &lt;opens&gt; &amp; stays open" in seen_inside_handler[0].text
    assert len(body["data"]["feeds"]) == 9  # home, section and tag, three formats each
    for feed in body["data"]["feeds"]:
        response = await clarion.http.get(feed)
        assert response.status_code == 200
        assert receipt["url"] in response.text


@pytest.mark.parametrize("section", ["documents", "documents/orders"])
async def test_a_new_document_stands_beside_an_old_article_without_a_new_page(clarion: Clarion, section: str) -> None:
    article = await clarion.put("old", an_item(title="An old article"))
    await clarion.page(article["url"])
    page = clarion.settings.output_dir / article["url"].removeprefix(clarion.settings.base_url).strip("/")
    written = (page / "index.html").stat().st_mtime_ns, (page / "index.html").stat().st_ino

    document = await clarion.put("new", an_item(title="A brand new order", section=section))

    async def stands_beside() -> bool:
        return "A brand new order" in (await clarion.http.get(article["url"])).text

    await eventually(stands_beside, "the new document beside the old article")
    assert (await clarion.http.get(document["url"])).status_code == 200
    assert ((page / "index.html").stat().st_mtime_ns, (page / "index.html").stat().st_ino) == written
