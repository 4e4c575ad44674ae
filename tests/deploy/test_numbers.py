"""Alerts and dashboard ask for metrics that exist, with labels that they have."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
import yaml  # type: ignore[import-untyped]  # comes with uvicorn, without types

from shared.runtime import metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
NAME = re.compile(r"\bclarion_[a-z_]+")
SELECTION = re.compile(r"(clarion_[a-z_]+)\{([^}]*)\}")
GROUPING = re.compile(r"by \(([^)]*)\)")
# What Prometheus itself puts on a number.
OWN_LABELS = {"le", "service", "job", "instance"}


def _declared() -> dict[str, set[str]]:
    """Return every name that /metrics shows with its labels."""
    found = {}
    for metric in vars(metrics).values():
        if isinstance(metric, prometheus_client.metrics.MetricWrapperBase):
            labels = set(metric._labelnames)  # noqa: SLF001 - the library shows them only where a value was set
            for described in metric.describe():
                endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(described.type, [""])
                found.update({described.name + ending: labels for ending in endings})
    return found


def _alerts() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def _panels() -> Iterator[tuple[str, str]]:
    for panel in _dashboard()["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def _dashboard() -> dict[str, Any]:  # Any: Grafana's own shape
    read: dict[str, Any] = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    return read


ASKED = [*_alerts(), *_panels()]


@pytest.mark.parametrize("expression", [pytest.param(expression, id=title) for title, expression in ASKED])
def test_an_expression_names_what_is_declared(expression: str) -> None:
    declared = _declared()

    assert set(NAME.findall(expression)) <= declared.keys()
    for name, selected in SELECTION.findall(expression):
        assert set(re.findall(r"(\w+)[=!]", selected)) <= declared[name] | OWN_LABELS
    labels = {label for name in NAME.findall(expression) for label in declared[name]} | OWN_LABELS
    for grouped in GROUPING.findall(expression):
        assert {label.strip() for label in grouped.split(",")} <= labels


def test_every_metric_is_watched_or_shown() -> None:
    asked = {name for _, expression in ASKED for name in NAME.findall(expression)}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in _declared()}

    assert families == {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked}


def test_every_alert_leads_to_a_chapter_of_the_runbook() -> None:
    chapters = {
        re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", (DEPLOY / "runbook.md").read_text(), re.MULTILINE)
    }
    rules = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]

    led_to = {rule["annotations"]["runbook"].partition("#")[2] for rule in rules}

    assert led_to - chapters == set()


def test_the_dashboard_asks_the_source_that_is_provisioned() -> None:
    (source,) = yaml.safe_load((DEPLOY / "grafana/datasource.yml").read_text())["datasources"]

    assert {panel["datasource"]["uid"] for panel in _dashboard()["panels"]} == {source["uid"]}


def test_the_runbook_says_what_every_metric_says() -> None:
    rows = re.findall(
        r"^\| `(clarion_[a-z_]+)` \| ([^|]*) \| (.*) \|$", (DEPLOY / "runbook.md").read_text(), re.MULTILINE
    )

    declared = [
        (described.name + ("_total" if described.type == "counter" else ""), described.documentation)
        for metric in vars(metrics).values()
        if isinstance(metric, prometheus_client.metrics.MetricWrapperBase)
        for described in metric.describe()
    ]

    assert [(name, text) for name, _, text in rows] == declared
