"""What an operator copies says what the code means: env.example and the environment of docker-compose.yml."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # comes with uvicorn, without types

from shared.runtime.settings import Settings

ROOT = Path(__file__).parents[2]
SETTINGS = sorted(Settings.model_fields)
LINE = re.compile(r"#?CLARION_([A-Z_]+)=(.*)")


@pytest.fixture(scope="module")
def shown() -> dict[str, str]:
    """The variables of env.example with the values it shows."""
    lines = (ROOT / "deploy/env.example").read_text().splitlines()
    return {found.group(1).lower(): found.group(2) for line in lines if (found := LINE.fullmatch(line))}


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:  # Any: YAML
    """docker-compose.yml as it is written."""
    read: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return read


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_shown_with_its_default(name: str, shown: dict[str, str]) -> None:
    default = Settings.model_fields[name].get_default()
    assert name in shown
    if default is None:
        assert shown[name] == ""
        return

    read: dict[str, Any] = {name: shown[name]}  # Any: the text that the variable would hold

    assert getattr(Settings(**read), name) == default


def test_every_variable_shown_has_its_reason_above_it() -> None:
    lines = (ROOT / "deploy/env.example").read_text().splitlines()
    before = {found.group(1): lines[place - 1] for place, line in enumerate(lines) if (found := LINE.fullmatch(line))}

    # Two that belong together may share one.
    assert [name for name, above in before.items() if not above.startswith("# ") and not LINE.fullmatch(above)] == []


def test_what_is_shown_and_no_setting_is_for_compose(shown: dict[str, str]) -> None:
    used = re.findall(r"\$\{CLARION_([A-Z_]+)", (ROOT / "docker-compose.yml").read_text())

    assert shown.keys() - set(SETTINGS) == {name.lower() for name in used} - set(SETTINGS)


def test_compose_shows_the_same_defaults_of_its_own_variables(shown: dict[str, str]) -> None:
    used = re.findall(r"\$\{CLARION_([A-Z_]+):-([^}]*)\}", (ROOT / "docker-compose.yml").read_text())

    differing = [name for name, default in used if name.lower() not in SETTINGS and shown[name.lower()] != default]

    assert used
    assert differing == []


@pytest.mark.parametrize("service", ["ingest", "render", "notify"])
def test_compose_passes_every_setting_on(composed: dict[str, Any], service: str) -> None:
    # The image fixes where a service listens in its container.
    environment = {name for name in composed["services"][service]["environment"] if name.startswith("CLARION_")}
    passed = environment | {"CLARION_HOST", "CLARION_PORT"}

    assert passed == {f"CLARION_{name.upper()}" for name in SETTINGS}


def test_compose_passes_on_where_traces_go(composed: dict[str, Any]) -> None:
    shown = re.findall(r"^#(OTEL_[A-Z_]+)=", (ROOT / "deploy/env.example").read_text(), re.MULTILINE)

    assert shown
    for service in ("ingest", "render", "notify"):
        assert set(shown) <= set(composed["services"][service]["environment"])


def test_compose_mounts_the_site_read_only_for_those_who_only_read(composed: dict[str, Any]) -> None:
    mounts = {
        service: [volume for volume in described.get("volumes", []) if volume.startswith("site:")]
        for service, described in composed["services"].items()
    }

    assert {service: found[0].endswith(":ro") for service, found in mounts.items() if found} == {
        "render": False,
        "notify": True,
        "nginx": True,
    }


def test_the_image_is_built_without_a_downloaded_syntax() -> None:
    dockerfile = (ROOT / "deploy/Dockerfile").read_text()

    assert "syntax=" not in dockerfile
    assert "<<" not in dockerfile
    assert re.search(r"^USER 10001:10001$", dockerfile, re.MULTILINE)


def test_the_store_is_as_durable_as_ingest_asks_for() -> None:
    lines = [line.split(maxsplit=1) for line in (ROOT / "deploy/redis.conf").read_text().splitlines()]
    configured = {line[0]: line[1] for line in lines if len(line) == 2 and line[0] != "#"}

    assert configured["appendonly"] == "yes"
    assert configured["appendfsync"] == "always"
    assert configured["maxmemory-policy"] == "noeviction"


@pytest.mark.skipif(
    shutil.which("docker") is None, reason="docker is not installed: docker-compose.yml is NOT read here"
)
@pytest.mark.parametrize(
    "files",
    [
        pytest.param(["docker-compose.yml"], id="as it is"),
        pytest.param(["docker-compose.yml", "tests/compose/receiver.yml"], id="with the tests' receiver"),
    ],
)
def test_compose_takes_the_file(files: list[str]) -> None:
    named = [part for file in files for part in ("--file", file)]
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker has no compose: docker-compose.yml is NOT read here")

    command = ["docker", "compose", *named, "--profile", "*", "config", "--quiet"]
    read = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert (read.returncode, read.stderr) == (0, "")
