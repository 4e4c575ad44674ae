"""The Kubernetes manifests fit together, and say the same as docker-compose.yml."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # comes with uvicorn, without types

from shared.runtime.settings import Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
FOLDER = DEPLOY / "kubernetes"
SERVICES = ["ingest", "render", "notify"]

Manifest = dict[str, Any]  # Any: Kubernetes' own shape


@pytest.fixture(scope="module")
def manifests() -> dict[tuple[str, str], Manifest]:
    """Every manifest that the kustomization names, by kind and name."""
    resources = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    found = [one for file in resources for one in yaml.safe_load_all((FOLDER / file).read_text())]
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


@pytest.mark.parametrize("name", ["nginx.conf", "redis.conf"])
def test_it_runs_with_the_same_files(name: str) -> None:
    assert (FOLDER / "files" / name).read_bytes() == (DEPLOY / name).read_bytes(), (
        f"cp deploy/{name} to kubernetes/files"
    )


def test_its_settings_are_settings() -> None:
    lines = (FOLDER / "files/settings.env").read_text().split()

    assert {line.partition("=")[0].removeprefix("CLARION_").lower() for line in lines} <= set(Settings.model_fields)


@pytest.mark.parametrize("service", [*SERVICES, "nginx"])
def test_a_deployment_has_probes_a_budget_and_room_to_grow(
    manifests: dict[tuple[str, str], Manifest], service: str
) -> None:
    deployment = manifests["Deployment", service]["spec"]
    (container,) = deployment["template"]["spec"]["containers"]
    labels = deployment["template"]["metadata"]["labels"]

    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys()
    assert {"requests", "limits"} <= container["resources"].keys()
    assert manifests["PodDisruptionBudget", service]["spec"]["selector"]["matchLabels"] == labels
    assert manifests["HorizontalPodAutoscaler", service]["spec"]["scaleTargetRef"]["name"] == service
    assert manifests["Service", service]["spec"]["selector"] == labels
    assert deployment["selector"]["matchLabels"] == labels


@pytest.mark.parametrize("service", [*SERVICES, "nginx"])
def test_a_container_is_nobody_and_writes_nowhere_but_where_it_must(
    manifests: dict[tuple[str, str], Manifest], service: str
) -> None:
    pod = manifests["Deployment", service]["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_only_render_may_write_the_site(manifests: dict[tuple[str, str], Manifest]) -> None:
    writers = [
        service
        for service in [*SERVICES, "nginx"]
        for mount in manifests["Deployment", service]["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
        if mount["name"] == "site" and not mount.get("readOnly")
    ]

    assert writers == ["render"]


@pytest.mark.parametrize("service", [*SERVICES, "nginx"])
def test_every_mount_has_its_volume(manifests: dict[tuple[str, str], Manifest], service: str) -> None:
    pod = manifests["Deployment", service]["spec"]["template"]["spec"]

    mounted = {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}

    assert mounted == {volume["name"] for volume in pod["volumes"]}


@pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="kubectl is not installed: the kustomization is NOT built here"
)
def test_the_kustomization_builds(manifests: dict[tuple[str, str], Manifest]) -> None:
    built = subprocess.run(["kubectl", "kustomize", str(FOLDER)], capture_output=True, text=True, check=True).stdout

    kinds = [
        (one["kind"], one["metadata"]["namespace"]) for one in yaml.safe_load_all(built) if one["kind"] != "Namespace"
    ]
    assert {namespace for _, namespace in kinds} == {"clarion"}
    assert len(kinds) == len(manifests) - 1 + 3  # without the namespace, with three generated maps
