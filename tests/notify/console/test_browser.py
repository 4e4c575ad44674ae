"""The console in a real browser: it is clicked, typed into, followed live and looked at in the dark."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from shared.store import keys
from tests.browser import Tab, a_tab
from tests.clarion import Clarion
from tests.factories import ADMIN_KEY, an_item
from tests.receiver import a_receiver
from tests.waiting import eventually

TITLE = 'The <script>document.title = "stolen"</script><img src=x onerror=alert(1)> harbour'


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Tab]:
    async with a_tab(tmp_path / "profile") as tab:
        yield tab


async def sign_in(tab: Tab, clarion: Clarion) -> None:
    await tab.open(f"{clarion.settings.base_url}/console")
    await tab.write("#key", ADMIN_KEY)
    await tab.press("Enter")
    await tab.shows("Overview", "h1")


async def test_an_operator_works_at_the_console(clarion: Clarion, tab: Tab) -> None:
    async with a_receiver() as receiver:
        made = await clarion.subscribe(receiver.url, description="The archive")
        await sign_in(tab, clarion)

        # What is published while the page is open stands on it, without reloading.
        await tab.run("window.stayed = true")
        await clarion.put("opening", an_item(title=TITLE))
        await tab.shows(TITLE, "#events")
        assert await tab.run("window.stayed") is True
        assert await tab.run("document.title") == "Overview · Clarion console"

        # From the list to the endpoint, which is pinged, paused and resumed.
        await tab.click(".sections a[href='/console/subscriptions']")
        await tab.click("#list tbody a")
        await tab.shows("The archive", "h1")
        await tab.click("#ping")
        await tab.shows("A test delivery is on its way", "[data-said]")
        assert await tab.run("document.activeElement.hasAttribute('data-said')") is True
        await tab.shows("ping.v1", "#attempts")
        await tab.click("#pause")
        await tab.shows("Paused.", "[data-said]")
        await tab.shows("paused", "#facts .badge")
        await tab.click("#resume")
        await tab.shows("active", "#facts .badge")
        await receiver.received(2)
        assert {json.loads(request.body)["type"] for request in receiver.requests} == {"item.published.v1", "ping.v1"}

        # What is done elsewhere is seen here.
        await tab.run("window.stayed = true")
        await clarion.http.post(f"/v1/subscriptions/{made['id']}/pause")
        await tab.shows("paused", "#facts .badge")
        assert await tab.run("window.stayed") is True

    assert tab.complaints == []
    assert [url for url in tab.requested if not url.startswith(clarion.settings.base_url)] == []


async def test_an_item_is_found_and_withdrawn(clarion: Clarion, tab: Tab) -> None:
    receipt = await clarion.put("opening", an_item())
    await sign_in(tab, clarion)

    await tab.click(".sections a[href='/console/items']")
    await tab.write("#q", receipt["id"])
    await tab.press("Enter")
    await tab.shows("The harbour opens", "h1")
    await tab.shows("Rendered", "#way .done:nth-child(2)")
    await tab.shows("Announced", "#way .done:nth-child(3)")
    await tab.click("summary#withdraw-title")
    await tab.click("[name=sure]")
    await tab.click("#withdraw")
    await tab.shows("Withdrawn.", "[data-said]")
    await tab.shows("withdrawn", "#facts .badge")

    async def is_gone() -> bool:
        return (await clarion.http.get(receipt["url"])).status_code == 410

    await eventually(is_gone, "the page's end")


async def test_following_leaves_alone_what_the_operator_is_at(clarion: Clarion, tab: Tab) -> None:
    async with a_receiver() as receiver:
        receiver.answer = lambda _: 500
        made = await clarion.subscribe(receiver.url)
        receipt = await clarion.put("opening", an_item())
        await receiver.received(1)
        await sign_in(tab, clarion)
        await tab.open(f"{clarion.settings.base_url}/console/deliveries/{receipt['event_id']}-{made['id']}")
        await tab.shows("Attempt 1", "#attempts")
        await tab.click("#body summary")
        await tab.run("document.querySelector('#retry').focus()")

        await clarion.http.post(f"/v1/deliveries/{receipt['event_id']}-{made['id']}/retry")
        await tab.shows("Attempt 2", "#attempts")

        assert await tab.run("document.querySelector('#body').open") is True
        assert await tab.run("document.activeElement.id") == "retry"

        # And it stops when told to.
        await tab.click("#live")
        await tab.shows("Paused", "#live")
        await clarion.http.post(f"/v1/subscriptions/{made['id']}/pause")
        await clarion.http.post(f"/v1/deliveries/{receipt['event_id']}-{made['id']}/retry")
        assert "Attempt 3" not in await tab.text("#attempts")


async def test_a_session_that_ends_leads_back_to_the_form(clarion: Clarion, tab: Tab, redis: Redis) -> None:
    await sign_in(tab, clarion)

    await redis.delete(*[key async for key in redis.scan_iter(match=keys.console_session("*"))])

    await tab.shows("Admin key")


async def test_a_link_from_another_site_finds_the_operator_still_signed_in(clarion: Clarion, tab: Tab) -> None:
    await sign_in(tab, clarion)
    await tab.open(f"http://localhost:{clarion.settings.port}/console/sign-in")

    await tab.run(f"location.href = '{clarion.settings.base_url}/console/items'")

    await tab.shows("Items", "h1")


async def test_the_pages_fit_a_phone_and_are_dark_for_who_prefers_it(clarion: Clarion, tab: Tab) -> None:
    await clarion.put("opening", an_item(title="Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz " * 3))
    await tab.send("Emulation.setDeviceMetricsOverride", width=320, height=640, deviceScaleFactor=1, mobile=True)
    await tab.dark()
    await sign_in(tab, clarion)

    for path in ("", "/items", "/items/press/opening", "/subscriptions", "/dead-letters", "/sign-in"):
        await tab.open(f"{clarion.settings.base_url}/console{path}")
        assert await tab.run("document.documentElement.scrollWidth") <= 320, path
        assert await tab.run("getComputedStyle(document.body).backgroundColor") == "rgb(16, 22, 27)", path
