"""`clarion listen`: what it answers, what it shows, and whether a signature holds."""

import time
from datetime import UTC, datetime

import httpx
import pytest
from standardwebhooks import Webhook

from services.cli.listen import Behaviour, in_words, verify
from services.notify.channels.signing import new_secret
from tests.cli.command_acts import listening

BODY = b'{"type": "ping.v1"}'


def signed(secret: str, at: float) -> dict[str, str]:
    moment = datetime.fromtimestamp(at, UTC)
    signature = Webhook(secret).sign("msg_1", moment, BODY.decode())
    return {"webhook-id": "msg_1", "webhook-timestamp": str(int(at)), "webhook-signature": signature}


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
