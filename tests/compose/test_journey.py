"""The whole way of an item through what `docker compose up` starts, seen from outside."""

import re
import uuid

import httpx
import pytest
from standardwebhooks import Webhook

from tests.compose import engine
from tests.compose.outside import Endpoint, Outside, patiently


async def test_an_item_becomes_a_page_its_feeds_and_a_verified_webhook(outside: Outside, endpoint: Endpoint) -> None:
    subscription = await outside.subscribe(endpoint)
    title = f"The harbour <opens> {uuid.uuid4().hex}"

    receipt = await outside.publish(title=title, tags=["sea"])

    await endpoint.heard_all_of({receipt["event_id"]})
    (request,) = await endpoint.heard()
    told = Webhook(subscription["secret"]).verify(request["body"], request["headers"])
    assert told["type"] == "item.published.v1"
    assert told["data"]["url"] == receipt["url"]
    page = await outside.http.get(receipt["url"])
    assert page.status_code == 200
    assert title.replace("<", "&lt;").replace(">", "&gt;") in page.text
    assert len(told["data"]["feeds"]) == 9
    for feed in told["data"]["feeds"]:
        assert receipt["url"] in (await outside.http.get(feed)).text


async def test_a_new_document_stands_beside_a_page_that_was_there(outside: Outside) -> None:
    article = await outside.read((await outside.publish())["url"])
    title = f"Order {uuid.uuid4().hex}"

    await outside.publish(section="documents/orders", title=title)

    async def stands_there() -> bool:
        return title in (await outside.http.get(article.url)).text

    await patiently(stands_there, "the new document beside the old article")


async def test_a_page_names_its_hub_and_itself_and_has_no_validator(outside: Outside) -> None:
    page = await outside.read((await outside.publish())["url"])

    assert re.findall(r'<([^>]*)>; rel="(\w+)"', page.headers["link"]) == [
        (str(page.url.join("/hub")), "hub"),
        (str(page.url), "self"),
    ]
    assert page.headers["cache-control"] == "no-cache"
    assert "etag" not in page.headers
    assert "last-modified" not in page.headers


async def test_a_feed_is_answered_304_until_it_changes(outside: Outside) -> None:
    await outside.read((await outside.publish())["url"])
    before = await outside.http.get("/en/feed.atom")

    unchanged = await outside.http.get("/en/feed.atom", headers={"If-None-Match": before.headers["etag"]})
    await outside.read((await outside.publish())["url"])

    assert unchanged.status_code == 304

    async def has_changed() -> bool:
        answer = await outside.http.get("/en/feed.atom", headers={"If-None-Match": before.headers["etag"]})
        return answer.status_code == httpx.codes.OK

    await patiently(has_changed, "the changed feed")


@pytest.mark.parametrize(
    ("path", "status", "location"),
    [
        pytest.param("/", 302, "/en/", id="the root leads to the first language"),
        pytest.param("/en/news", 301, "/en/news/", id="a missing slash is mended"),
        pytest.param("/en/news/2001/01/never/", 404, None, id="what never was"),
        pytest.param("/_fragments/en/latest.html", 404, None, id="a fragment is no page"),
        pytest.param("/.clarion/built", 404, None, id="a hidden file"),
        pytest.param("/metrics", 404, None, id="numbers are not for readers"),
        pytest.param("/healthz", 200, None, id="alive"),
        pytest.param("/readyz", 200, None, id="ready"),
        pytest.param("/docs", 200, None, id="the documentation"),
        pytest.param("/v1/events", 200, None, id="the log"),
    ],
)
async def test_each_path_is_answered_by_whom_it_belongs_to(
    outside: Outside, path: str, status: int, location: str | None
) -> None:
    answer = await outside.http.get(path)

    assert (answer.status_code, answer.headers.get("location")) == (status, location)


@pytest.mark.usefixtures("on_this_engine")
@pytest.mark.parametrize(
    ("service", "writable"),
    [
        pytest.param("ingest", "/tmp", id="ingest has no volume"),
        pytest.param("render", "/tmp /var/lib/clarion/output", id="render writes the site"),
        pytest.param("notify", "/tmp", id="notify reads the site"),
    ],
)
def test_a_service_is_nobody_and_writes_only_where_it_must(service: str, writable: str) -> None:
    folders = "/ /app /tmp /run/secrets /etc/clarion/site /var/lib/clarion/output"
    script = f"id -u; for f in {folders}; do touch $f/.try 2>/dev/null && rm $f/.try && echo $f; done; true"

    said = engine.compose("exec", "-T", service, "sh", "-c", script)

    assert said.split() == ["10001", *writable.split()]
