"""`clarion status` and `clarion doctor`, as they are typed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis

from shared.store import keys

COMMAND = [sys.executable, "-c", "from services.cli.app import main; main()"]


@pytest.fixture
def environment(tmp_path: Path, store_url: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("CLARION_")}
    return {**own, "CLARION_REDIS_URL": store_url, "CLARION_SITE_FILE": str(tmp_path / "none.toml"), "COLUMNS": "120"}


def test_status_shows_what_waits_where(environment: dict[str, str], store_url: str) -> None:
    _one_entry_waits(store_url)

    shown = _clarion(environment, "status")

    assert shown.returncode == 0
    assert ["items", "render", "1", "0"] in [
        [cell.strip() for cell in line.strip("│").split("│")][:4] for line in shown.stdout.splitlines()
    ]


def test_a_new_epoch_is_begun_and_shown(environment: dict[str, str]) -> None:
    before = _clarion(environment, "epoch", "show")

    begun = _clarion(environment, "epoch", "new")

    assert before.stdout.startswith("epoch 0")
    assert (begun.returncode, begun.stdout) == (0, "epoch 1\n")
    shown = json.loads(_clarion(environment, "epoch", "show", "--json").stdout)
    assert (shown["epoch"], shown["reason"]) == (1, "asked")


def test_status_for_scripts_is_json(environment: dict[str, str], store_url: str) -> None:
    _one_entry_waits(store_url)

    numbers = json.loads(_clarion(environment, "status", "--json").stdout)

    (group,) = numbers["groups"]
    assert (group["stream"], group["group"], group["lag"], group["pending"]) == ("items", "render", 1, 0)
    assert numbers["server"]["append_only"] is True


def test_a_watched_status_goes_on_until_it_is_interrupted(environment: dict[str, str]) -> None:
    arguments = [*COMMAND, "status", "--watch", "--json", "--every", "0.1"]
    with subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        lines = [watching.stdout.readline() for _ in range(3)]
        watching.send_signal(signal.SIGINT)
        watching.stdout.read()

    assert all("server" in json.loads(line) for line in lines)
    assert watching.returncode == 0


def test_status_without_a_store_says_so_and_fails(environment: dict[str, str]) -> None:
    shown = _clarion({**environment, "CLARION_REDIS_URL": "redis://127.0.0.1:1/0"}, "status")

    assert shown.returncode == 1
    assert "the store does not answer" in shown.stderr


def test_doctor_fails_where_there_is_trouble_and_says_what_to_do(environment: dict[str, str]) -> None:
    shown = _clarion(environment, "doctor", "--json")

    findings = {finding["what"]: finding for finding in json.loads(shown.stdout)}
    assert shown.returncode == 1
    assert findings["site file"]["verdict"] == "trouble"
    assert findings["secrets key"]["todo"].startswith("set CLARION_SECRETS_KEY")
    assert findings["durability"]["verdict"] == "ok"


def _clarion(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], env=environment, capture_output=True, text=True, check=False)


def _one_entry_waits(store_url: str) -> None:
    with Redis.from_url(store_url) as redis:
        redis.xgroup_create(keys.ITEMS_STREAM, "render", id="0", mkstream=True)
        redis.xadd(keys.ITEMS_STREAM, {"told": "something"})
