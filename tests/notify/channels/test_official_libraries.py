"""The official libraries of Standard Webhooks, for Python and for Node, verify what is delivered, in a rotation too."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from services.notify.channels.signing import new_secret
from tests.notify.factories import Service, an_event, announce
from tests.receiver import Received, a_receiver
from tests.waiting import eventually

NPM = Path(__file__).parent / "npm"
Checks = Sequence[tuple[str, Received]]


def by_python(checks: Checks) -> list[bool]:
    return [_verifies(secret, heard) for secret, heard in checks]


def by_node(checks: Checks) -> list[bool]:
    node = shutil.which("node")
    folders = [str(NPM / "node_modules"), *os.environ.get("NODE_PATH", "").split(os.pathsep)]
    if node is None or not any((Path(folder) / "standardwebhooks").is_dir() for folder in folders if folder):
        pytest.skip(f"wants node and the package standardwebhooks: npm install --prefix {NPM}")
    asked = [
        {"secret": secret, "headers": dict(heard.headers), "body": heard.body.decode()} for secret, heard in checks
    ]
    answered = subprocess.run(
        [node, str(NPM / "verify.cjs")],
        input=json.dumps(asked),
        env={**os.environ, "NODE_PATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
        check=True,
    )
    verified: list[bool] = json.loads(answered.stdout)
    return verified


@pytest.mark.parametrize("library", [by_python, by_node])
async def test_deliveries_verify_before_during_and_after_a_rotation(
    service: Service, library: Callable[[Checks], list[bool]]
) -> None:
    async with a_receiver() as receiver:
        made = await service.subscribe(receiver.url)
        old, path = made["secret"], f"/v1/subscriptions/{made['id']}"
        await announce(service.redis, an_event("before", title="Портовая служба «открыта»"))
        await eventually(lambda: len(receiver.requests) == 1)

        new = (await service.http.post(f"{path}/rotate-secret")).json()["secret"]
        await announce(service.redis, an_event("during"))
        await eventually(lambda: len(receiver.requests) == 2)
        newest = (await service.http.post(f"{path}/rotate-secret", json={"keep_old_for_hours": 0})).json()["secret"]
        await announce(service.redis, an_event("after"))
        await eventually(lambda: len(receiver.requests) == 3)

    before, during, after = receiver.requests
    right = [(old, before), (old, during), (new, during), (newest, after)]
    wrong = [(new, before), (old, after), (new, after), (new_secret(), during)]
    assert library(right) == [True] * 4
    assert library(wrong) == [False] * 4


def _verifies(secret: str, heard: Received) -> bool:
    try:
        Webhook(secret).verify(heard.body, dict(heard.headers))
    except WebhookVerificationError:
        return False
    return True
