"""The commands: what they print, what they leave in the store, and their exit codes."""

import asyncio
import json
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from services.cli.app import app
from tests.factories import ADMIN_KEY, an_item
from tests.ingest.conftest import Ingest
from tests.ingest.importers import import_samples as samples


async def run(ingest: Ingest, *arguments: str, commands: Typer = app) -> Result:
    """Run a command in a thread, as the service runs in this one; the environment is that of its machine."""
    environment = {
        "CLARION_BASE_URL": ingest.settings.base_url,
        "CLARION_KEY": ADMIN_KEY,
        "CLARION_REDIS_URL": ingest.settings.redis_url,
    }
    return await asyncio.to_thread(CliRunner().invoke, commands, list(arguments), env=environment)


def answered(result: Result) -> dict[str, object]:
    # The service's log lines may stand before it: it runs in this very process.
    answer: dict[str, object] = json.loads(result.stdout.splitlines()[-1])
    return answer


async def test_items_are_published_from_a_file_and_again_without_a_change(ingest: Ingest, tmp_path: Path) -> None:
    file = tmp_path / "items.json"
    file.write_text(json.dumps([{"external_id": "a", **an_item()}, {"external_id": "b", **an_item(title="Second")}]))

    first = await run(ingest, "publish", str(file), "--json")
    second = await run(ingest, "publish", str(file), "--json")

    assert (first.exit_code, answered(first)["created"]) == (0, 2)
    assert (second.exit_code, answered(second)["changed"], answered(second)["unchanged"]) == (0, 0, 2)


async def test_a_refused_item_is_told_and_the_exit_code_says_so(ingest: Ingest, tmp_path: Path) -> None:
    file = tmp_path / "items.ndjson"
    file.write_text(json.dumps({"external_id": "a", **an_item(section="sport")}))

    result = await run(ingest, "publish", str(file))

    assert result.exit_code == 1
    assert "/section" in result.stderr


async def test_a_feed_is_imported_and_a_rehearsal_writes_nothing(ingest: Ingest, tmp_path: Path) -> None:
    (tmp_path / "feed.xml").write_text(samples.ATOM, encoding="utf-8")
    how = ("import", str(tmp_path / "feed.xml"), "--source", "press", "--lang", "en", "--section", "news", "--json")

    rehearsed = await run(ingest, *how, "--dry-run")
    nothing = await ingest.events()
    imported = await run(ingest, *how)

    assert (answered(rehearsed)["created"], nothing) == (1, [])
    assert (imported.exit_code, answered(imported)["created"]) == (0, 1)


async def test_an_item_is_withdrawn_and_its_progress_told(ingest: Ingest) -> None:
    await ingest.put("a", an_item())

    before = await run(ingest, "timeline", "press/a")
    result = await run(ingest, "withdraw", "press/a", "--notice", "Replaced.")
    unknown = await run(ingest, "withdraw", "press/never")

    assert "published, revision 1" in before.stdout
    assert (result.exit_code, "withdrawn at revision 2" in result.stdout) == (0, True)
    assert (unknown.exit_code, "there is no item" in unknown.stderr) == (1, True)


async def test_a_key_is_made_shown_once_listed_and_revoked(ingest: Ingest) -> None:
    made = await run(ingest, "keys", "create", "--name", "wire", "--scope", "items:write", "--source", "press")
    header = {"Authorization": f"Bearer {made.stdout.strip()}"}
    accepted = await ingest.http.put("/v1/items/press/a", json=an_item(), headers=header)
    listed = await run(ingest, "keys", "list")
    revoked = await run(ingest, "keys", "revoke", "wire")
    refused = await ingest.http.put("/v1/items/press/a", json=an_item(), headers=header)

    assert (made.exit_code, accepted.status_code) == (0, 201)
    assert listed.stdout == "wire: items:write; sources: press\n"
    assert made.stdout.strip() not in listed.stdout
    assert (revoked.exit_code, refused.status_code) == (0, 401)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("--scope", "items:delete"), id="unknown scope"),
        pytest.param(("--scope", "items:write"), id="no source"),
    ],
)
async def test_a_key_that_would_open_nothing_is_not_made(ingest: Ingest, arguments: tuple[str, ...]) -> None:
    result = await run(ingest, "keys", "create", "--name", "wire", *arguments)

    assert result.exit_code == 1
    assert (await run(ingest, "keys", "list")).stdout == ""


async def test_the_store_is_exported_and_not_restored_over_itself(ingest: Ingest, tmp_path: Path) -> None:
    await ingest.put("a", an_item())
    file = tmp_path / "store.ndjson.gz"

    exported = await run(ingest, "export", str(file))
    restored = await run(ingest, "restore", str(file))

    assert (exported.exit_code, file.exists()) == (0, True)
    assert (restored.exit_code, "not empty" in restored.stderr) == (1, True)
