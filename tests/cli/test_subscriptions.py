"""The commands about who is told."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
from redis.asyncio import Redis
from standardwebhooks import Webhook
from typer.testing import CliRunner

from services.cli.app import app
from services.cli.listen import Arrived, Behaviour, in_words, receiver, verify
from services.notify.channels.signing import new_secret
from tests.notify.factories import a_receiver, a_service, an_event, announce, eventually, settings_for

BODY = b'{"type": "ping.v1"}'


def signed(secret: str, at: float) -> dict[str, str]:
    moment = datetime.fromtimestamp(at, UTC)
    signature = Webhook(secret).sign("msg_1", moment, BODY.decode())
    return {"webhook-id": "msg_1", "webhook-timestamp": str(int(at)), "webhook-signature": signature}


@contextlib.contextmanager
def listening(secrets: list[str], behaviour: Behaviour) -> Iterator[tuple[str, list[Arrived]]]:
    arrived: list[Arrived] = []
    with receiver("127.0.0.1", 0, secrets, behaviour, arrived.append) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", arrived
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("made_with", "late_by", "holds"),
    [
        pytest.param(0, 0, True, id="the secret"),
        pytest.param(1, 0, True, id="the other secret, during a rotation"),
        pytest.param(2, 0, False, id="a stranger's secret"),
        pytest.param(0, 299, True, id="within the tolerance"),
        pytest.param(0, 302, False, id="an old recording"),
    ],
)
def test_the_receiver_knows_our_signatures(made_with: int, late_by: int, holds: bool) -> None:
    secrets, now = [new_secret() for _ in range(3)], time.time()

    assert verify(secrets[:2], signed(secrets[made_with], now - late_by), BODY, now) is holds


def test_a_changed_body_does_not_verify() -> None:
    secret, now = new_secret(), time.time()

    assert not verify([secret], signed(secret, now), BODY + b" ", now)


def test_the_receiver_answers_as_it_was_told_and_shows_what_arrives() -> None:
    secret = new_secret()
    with listening([secret], Behaviour((503, 410, 204), retry_after=7)) as (url, arrived):
        answers = [httpx.post(url, content=BODY, headers=signed(secret, time.time())) for _ in range(4)]
        challenged = httpx.get(url, params={"hub.mode": "subscribe", "hub.challenge": "abc"})

    assert [answer.status_code for answer in answers] == [503, 410, 204, 204]
    assert answers[0].headers["retry-after"] == "7"
    assert challenged.text == "abc"
    assert [one.verified for one in arrived] == [True] * 4 + [None]
    assert "msg_1  signature holds" in in_words(arrived[0])


async def test_dead_letters_are_listed_and_replayed(
    redis: Redis, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLARION_REDIS_URL", store_url)
    monkeypatch.setenv("CLARION_SHARDS", "2")
    async with a_receiver(*[500] * 4) as endpoint, a_service(redis, settings_for(store_url)) as service:
        made = await service.subscribe(endpoint.url)
        await announce(redis, an_event("e"))
        await eventually(lambda: len(endpoint.heard) == 4)
        listed: list[dict[str, str]] = []

        async def is_listed() -> bool:
            listed[:] = json.loads(await clarion("dead-letters", "list", "--json"))
            return bool(listed)

        await eventually(is_listed)
        told = json.loads(await clarion("dead-letters", "replay", listed[0]["id"], "--json"))
        await eventually(lambda: len(endpoint.heard) == 5)
        after = json.loads(await clarion("dead-letters", "list", "--json"))

    assert (listed[0]["kind"], listed[0]["id"], listed[0]["reason"]) == ("delivery", f"e-{made['id']}", "status 500")
    assert told == {"replayed": [f"e-{made['id']}"], "missing": []}
    assert after == []


async def clarion(*arguments: str) -> str:
    """Run the command as a person does, while this process serves, and return what it prints."""
    result = await asyncio.to_thread(CliRunner().invoke, app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout
