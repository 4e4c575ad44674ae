"""`clarion subscribe --websub`, and what `clarion listen` makes of a feed that is sent."""

import json
from typing import Literal

import httpx
import pytest

from services.cli.listen import Behaviour, in_words
from services.cli.websub import is_signed
from services.notify.websub.distribution import signature
from tests.clarion import Clarion
from tests.cli.command_acts import listening, run
from tests.factories import an_item
from tests.notify.websub.parties import SECRET
from tests.waiting import eventually

FEED = "/en/news/feed.atom"


async def test_a_feed_is_subscribed_to_sent_verified_and_unsubscribed_from(clarion: Clarion) -> None:
    await clarion.put("first", an_item(title="The first"))
    topic = clarion.settings.base_url + FEED

    async def is_there() -> bool:
        return (await clarion.http.get(FEED)).status_code == httpx.codes.OK

    await eventually(is_there, "the feed")
    with listening([SECRET], Behaviour()) as (callback, arrived):
        asked = ("subscribe", "--websub", topic, "--callback", callback)
        subscribed = await run(None, *asked, "--secret", SECRET, "--lease", "7200", "--json")
        await eventually(lambda: len(arrived) == 1, "the question")
        await clarion.put("second", an_item(title="The second"))
        await eventually(lambda: len(arrived) == 2, "the feed")
        ended = await run(None, *asked, "--end")
        await eventually(lambda: len(arrived) == 3, "the last question")

    # The services of this test write their logs there, too.
    assert json.loads(subscribed.stdout.splitlines()[-1])["hub"] == f"{clarion.settings.base_url}/hub"
    assert "hub.lease_seconds=7200" in arrived[0].path
    assert (arrived[1].verified, "The second" in arrived[1].body) == (True, True)
    assert f'<{topic}>; rel="self"  signature holds' in in_words(arrived[1])
    assert "hub.mode=unsubscribe" in arrived[2].path
    assert ended.exit_code == 0


async def test_what_has_no_hub_is_said(clarion: Clarion) -> None:
    answer = await run(
        None, "subscribe", "--websub", f"{clarion.settings.base_url}/v1/items", "--callback", "http://127.0.0.1:9/"
    )

    assert answer.exit_code == 1


async def test_a_callback_is_needed() -> None:
    answer = await run(None, "subscribe", "--websub", "http://127.0.0.1:9/feed.atom")

    assert answer.exit_code == 1


@pytest.mark.parametrize("method", ["sha1", "sha256", "sha384", "sha512"])
def test_every_method_is_checked(method: Literal["sha1", "sha256", "sha384", "sha512"]) -> None:
    headers = {"x-hub-signature": signature(SECRET, method, b"body")}

    assert is_signed(["another", SECRET], headers, b"body")
    assert not is_signed(["another"], headers, b"body")
    assert not is_signed([SECRET], headers, b"body ")


@pytest.mark.parametrize("header", ["", "sha256", "md5=0", "=", "sha256="])
def test_a_signature_that_says_nothing_does_not_hold(header: str) -> None:
    assert not is_signed([SECRET], {"x-hub-signature": header}, b"body")
