"""What is announced reaches every endpoint, whatever is killed, frozen or restarted meanwhile."""

import os
import random
from datetime import timedelta
from pathlib import Path

import pytest

from tests.notify.delivery.chaos import Outcome, Plan, frozen_worker_wakes, wreak


def assert_nothing_was_lost_or_repeated_without_reason(outcome: Outcome) -> None:
    assert outcome.lost == set(), str(outcome)
    assert outcome.strangers == set(), str(outcome)
    assert outcome.ledger.repeated_without_reason == set(), str(outcome)
    assert outcome.disorder == [], str(outcome)
    assert (outcome.unsettled, outcome.dead_letters) == (0, 0), str(outcome)


async def test_a_kill_and_a_restart_of_the_store_lose_and_double_nothing(tmp_path: Path) -> None:
    plan = Plan(endpoints=20, ordered=5, events=100, kills=1, freezes=0, store_restarts=1, seed=1)

    outcome = await wreak(plan, tmp_path, timedelta(seconds=60))

    assert_nothing_was_lost_or_repeated_without_reason(outcome)


async def test_a_frozen_worker_that_wakes_settles_nothing(tmp_path: Path) -> None:
    heard = await frozen_worker_wakes(tmp_path)

    # Had its 200 counted when it woke, the delivery would not have come a third time after the other worker's 503.
    assert [status for _, status in heard] == [200, 503, 200]
    assert len({webhook_id for webhook_id, _ in heard}) == 1


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_20_000_deliveries_survive_kills_freezes_and_restarts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("CHAOS_SEED", random.randrange(1_000_000)))
    plan = Plan(endpoints=40, ordered=10, events=500, kills=10, freezes=2, store_restarts=3, seed=seed)

    outcome = await wreak(plan, tmp_path, timedelta(minutes=8))

    with capsys.disabled():
        print(f"\nseed {seed}: {outcome}")  # noqa: T201 - the figures are what the run is for
    assert_nothing_was_lost_or_repeated_without_reason(outcome)
