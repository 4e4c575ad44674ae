"""An importer is one object: whatever is in the tuple reads files for the command line and stands in its help."""

from collections.abc import Iterator
from pathlib import Path

from typer.testing import CliRunner

from services.cli.app import command_line
from services.ingest.importers import IMPORTERS
from services.ingest.importers.base import Defaults, Importer, SourceEntry, item_entry
from tests.cli.command_acts import answered, run
from tests.ingest_service import Ingest


def read(file: Path, defaults: Defaults) -> Iterator[SourceEntry]:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        name, _, text = line.partition(": ")
        yield item_entry(f"line {number}", defaults, name, {"title": text, "body": text})


TELEX = Importer(
    name="telex",
    help="telegrams, one a line",
    read=read,
    suffixes=(".txt",),
    recognises=lambda beginning: beginning.startswith(b"telex"),
)
COMMANDS = command_line((TELEX, *IMPORTERS))


async def test_a_toy_importer_publishes_the_items_of_its_files(ingest: Ingest, tmp_path: Path) -> None:
    (tmp_path / "desk.txt").write_text("telex-1: The pier opens\ntelex-2: The quay closes\n")
    (tmp_path / "exported").write_text("telex-3: A file without a suffix is known by its beginning\n")
    how = ("--source", "press", "--lang", "en", "--section", "news", "--json")

    async def created(file: str, *more: str) -> object:
        command = ("import", str(tmp_path / file), *how, *more)
        return answered(await run(ingest.settings, *command, commands=COMMANDS))["created"]

    by_suffix = await created("desk.txt")
    by_beginning = await created("exported")
    by_name = await created("desk.txt", "--format", "telex")

    items = [await ingest.get(f"/v1/items/press/telex-{number}") for number in (1, 2, 3)]
    assert (by_suffix, by_beginning, by_name) == (2, 1, 0)
    assert [item["state"] for item in items] == ["published"] * 3
    assert [item["item"]["title"] for item in items[:2]] == ["The pier opens", "The quay closes"]


def test_a_toy_importer_stands_in_the_help_and_the_shipped_command_does_not_know_it() -> None:
    extended = CliRunner().invoke(COMMANDS, ["import", "--help"], env={"COLUMNS": "1000"})
    shipped = CliRunner().invoke(command_line(), ["import", "--help"], env={"COLUMNS": "1000"})
    refused = CliRunner().invoke(COMMANDS, ["import", "desk.txt", "--source", "press", "--format", "telegraph"])

    assert "telex: telegrams, one a line" in extended.stdout
    assert all(f"{one.name}: {one.help}" in shipped.stdout for one in IMPORTERS)
    assert "telex" not in shipped.stdout
    assert (refused.exit_code, "telex" in refused.stderr) == (1, True)
