"""The commands: what they print, what they leave in the store, and their exit codes."""

import json
from pathlib import Path

import pytest

from tests.cli.command_acts import answered, run
from tests.factories import an_item
from tests.ingest.importers import import_samples as samples
from tests.ingest_service import Ingest


async def test_items_are_published_from_a_file_and_again_without_a_change(ingest: Ingest, tmp_path: Path) -> None:
    file = tmp_path / "items.json"
    file.write_text(json.dumps([{"external_id": "a", **an_item()}, {"external_id": "b", **an_item(title="Second")}]))

    first = await run(ingest.settings, "publish", str(file), "--json")
    second = await run(ingest.settings, "publish", str(file), "--json")

    assert (first.exit_code, answered(first)["created"]) == (0, 2)
    assert (second.exit_code, answered(second)["changed"], answered(second)["unchanged"]) == (0, 0, 2)


async def test_a_refused_item_is_told_and_the_exit_code_says_so(ingest: Ingest, tmp_path: Path) -> None:
    file = tmp_path / "items.ndjson"
    file.write_text(json.dumps({"external_id": "a", **an_item(section="sport")}))

    result = await run(ingest.settings, "publish", str(file))

    assert result.exit_code == 1
    assert "/section" in result.stderr


async def test_a_feed_is_imported_and_a_rehearsal_writes_nothing(ingest: Ingest, tmp_path: Path) -> None:
    (tmp_path / "feed.xml").write_text(samples.ATOM, encoding="utf-8")
    how = ("import", str(tmp_path / "feed.xml"), "--source", "press", "--lang", "en", "--section", "news", "--json")

    rehearsed = await run(ingest.settings, *how, "--dry-run")
    nothing = await ingest.events()
    imported = await run(ingest.settings, *how)

    assert (answered(rehearsed)["created"], nothing) == (1, [])
    assert (imported.exit_code, answered(imported)["created"]) == (0, 1)


async def test_an_item_is_withdrawn_and_its_progress_told(ingest: Ingest) -> None:
    await ingest.put("a", an_item())

    before = await run(ingest.settings, "timeline", "press/a")
    result = await run(ingest.settings, "withdraw", "press/a", "--notice", "Replaced.")
    unknown = await run(ingest.settings, "withdraw", "press/never")

    assert "published, revision 1" in before.stdout
    assert (result.exit_code, "withdrawn at revision 2" in result.stdout) == (0, True)
    assert (unknown.exit_code, "there is no item" in unknown.stderr) == (1, True)


async def test_a_key_is_made_shown_once_listed_and_revoked(ingest: Ingest) -> None:
    made = await run(ingest.settings, "keys", "create", "--name", "wire", "--scope", "items:write", "--source", "press")
    header = {"Authorization": f"Bearer {made.stdout.strip()}"}
    accepted = await ingest.http.put("/v1/items/press/a", json=an_item(), headers=header)
    listed = await run(ingest.settings, "keys", "list")
    revoked = await run(ingest.settings, "keys", "revoke", "wire")
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
    result = await run(ingest.settings, "keys", "create", "--name", "wire", *arguments)

    assert result.exit_code == 1
    assert (await run(ingest.settings, "keys", "list")).stdout == ""


async def test_the_store_is_exported_and_not_restored_over_itself(ingest: Ingest, tmp_path: Path) -> None:
    await ingest.put("a", an_item())
    file = tmp_path / "store.ndjson.gz"

    exported = await run(ingest.settings, "export", str(file))
    restored = await run(ingest.settings, "restore", str(file))

    assert (exported.exit_code, file.exists()) == (0, True)
    assert (restored.exit_code, "not empty" in restored.stderr) == (1, True)
