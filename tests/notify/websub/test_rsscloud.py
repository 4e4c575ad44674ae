"""rssCloud, for readers that speak only that."""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest
from aiohttp import web
from lxml import etree

from shared.runtime.settings import Settings
from tests.clarion import Clarion, running_clarion
from tests.factories import an_item
from tests.notify.websub.parties import Asked, a_subscriber
from tests.waiting import eventually

RSS = "/en/news/feed.rss"


@pytest.fixture
async def clouded(settings: Settings) -> AsyncIterator[Clarion]:
    async with running_clarion(settings.model_copy(update={"rsscloud": True})) as clarion:
        await clarion.put("first", an_item(title="The first"))
        await eventually(lambda: is_there(clarion), "the feed")
        yield clarion


async def is_there(clarion: Clarion) -> bool:
    return (await clarion.http.get(RSS)).status_code == httpx.codes.OK


def repeat(asked: Asked) -> web.StreamResponse:
    return web.Response(text=asked["challenge"])


def registration(url: str, **changes: str) -> dict[str, str]:
    address = urlsplit(url)
    asked = {"notifyProcedure": "", "protocol": "http-post", "path": "/told", "domain": address.hostname or ""}
    return {**asked, "port": str(address.port), **changes}


def result(answer: httpx.Response) -> tuple[str | None, str]:
    element = etree.fromstring(answer.content)
    return element.get("success"), element.get("msg", "")


async def test_a_reader_finds_the_cloud_registers_and_is_told_of_a_change(clouded: Clarion) -> None:
    cloud = etree.fromstring((await clouded.http.get(RSS)).content).find("channel/cloud")
    assert cloud is not None
    where = f"http://{cloud.get('domain')}:{cloud.get('port')}{cloud.get('path')}"
    topic = clouded.settings.base_url + RSS
    async with a_subscriber(confirm=repeat) as reader:
        answer = await clouded.http.post(where, data=registration(reader.base, url1=topic))

        assert result(answer)[0] == "true"
        (asked,) = await reader.was_asked()
        assert asked["url"] == topic
        await clouded.put("second", an_item(title="The second"))
        (told,) = await reader.heard()
        assert told.path == "/told"
        assert told.headers["content-type"] == "application/x-www-form-urlencoded"
        assert httpx.QueryParams(told.body.decode())["url"] == topic


async def test_what_cannot_be_registered_is_said(clouded: Clarion) -> None:
    topic = clouded.settings.base_url + RSS
    async with a_subscriber(confirm=repeat) as reader:
        asked = {
            "a feed of another site": registration(reader.base, url1="https://example.org/feed.rss"),
            "no feed": registration(reader.base),
            "another protocol": registration(reader.base, url1=topic, protocol="xml-rpc"),
            "no domain": registration(reader.base, url1=topic, domain=""),
        }

        answers = {name: await clouded.http.post("/rsscloud/pleaseNotify", data=form) for name, form in asked.items()}

        assert {result(answer)[0] for answer in answers.values()} == {"false"}
        assert all(result(answer)[1] for answer in answers.values())
        assert reader.asked == []


async def test_without_the_setting_there_is_no_cloud(clarion: Clarion) -> None:
    await clarion.put("first", an_item(title="The first"))
    await eventually(lambda: is_there(clarion), "the feed")

    assert etree.fromstring((await clarion.http.get(RSS)).content).find("channel/cloud") is None
    assert (await clarion.http.post("/rsscloud/pleaseNotify", data={})).status_code == httpx.codes.NOT_FOUND
