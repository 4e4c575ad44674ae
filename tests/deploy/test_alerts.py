"""deploy/alerts.yml and the concerns of the code say the same."""

from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # comes with uvicorn, without types

from shared.http.concerns import CONCERNS, DISK_NEARLY_FULL, Concern

ALERTS: dict[str, dict[str, Any]] = {  # Any: Prometheus' own shape
    rule["alert"]: rule
    for group in yaml.safe_load((Path(__file__).parents[2] / "deploy/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
}
ALL_CONCERNS: tuple[Concern[Any], ...] = (*CONCERNS, DISK_NEARLY_FULL)  # Any: what each measures
# One reading of the store does not show these: whether somebody answers, a tendency, a rate, a distribution.
ONLY_PROMETHEUS_SEES = {
    "ServiceMissing",
    "StoreAway",
    "LagGrowing",
    "DeliveriesFailing",
    "SlowToAppear",
    "EpochChanged",
}


def test_each_concern_has_an_alert_and_each_alert_a_concern() -> None:
    concerns = {concern.name for concern in ALL_CONCERNS}

    assert concerns | ONLY_PROMETHEUS_SEES == ALERTS.keys()
    assert concerns & ONLY_PROMETHEUS_SEES == set()


@pytest.mark.parametrize("concern", [pytest.param(concern, id=concern.name) for concern in ALL_CONCERNS])
def test_an_alert_has_the_metric_the_threshold_and_the_severity_of_its_concern(concern: Concern[Any]) -> None:
    alert = ALERTS[concern.name]

    assert concern.metric in alert["expr"]
    assert alert["expr"].endswith(f" {concern.threshold}")
    assert alert["labels"]["severity"] == concern.severity
