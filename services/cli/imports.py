"""`clarion publish` and `clarion import`: items from files and addresses, sent over HTTP from anywhere."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.client import LOCAL, Key, Url, client_of
from services.cli.output import AsJson, console, counter, fail
from services.ingest.importers import opened
from services.ingest.importers.base import Defaults, Importer, SourceEntry, UnreadableSourceError
from services.ingest.importers.fetching import ValidatorFile
from services.ingest.importers.ndjson import read_items

if TYPE_CHECKING:
    # Imported inside the commands that need it, so that the other commands start faster.
    from services.ingest.importers.sending import ImportReport

app = typer.Typer()

_STATE = Path("~/.cache/clarion/feeds.json")
_MAX_SHOWN = 20

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would come of it, and write nothing.")]


@app.command()
def publish(
    files: Annotated[list[Path], typer.Argument(help="NDJSON, or JSON with an item or a list of them.", exists=True)],
    *,
    source: Annotated[str, typer.Option(help="The source of items that name none.")] = "press",
    url: Url = LOCAL,
    key: Key = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Publish items from files, as PUT takes them; the exit code is 0 only when none was refused."""
    entries = (entry for file in files for entry in read_items(file, Defaults(source)))
    _finish(_send(entries, url, key, dry_run=dry_run), as_json=as_json)


def import_command(importers: Sequence[Importer]) -> typer.Typer:
    """Return `clarion import` for these formats."""
    group = typer.Typer()
    formats = "; ".join(f"{one.name}: {one.help}" for one in importers)

    @group.command(name="import")
    def import_(  # noqa: PLR0913 - an option each
        where: Annotated[str, typer.Argument(metavar="FEED-OR-FILE", help="A feed's address, a file or a folder.")],
        *,
        source: Annotated[str, typer.Option(help="The source that the items belong to.")],
        lang: Annotated[str | None, typer.Option(help="The language of items that name none.")] = None,
        section: Annotated[str | None, typer.Option(help="The section of items that name none.")] = None,
        map_section: Annotated[
            list[str], typer.Option(help="CATEGORY=SECTION: where items of a category go; may be repeated.")
        ] = [],  # noqa: B006
        format_: Annotated[str, typer.Option("--format", help=f"auto, or one of: {formats}.")] = "auto",
        state: Annotated[Path, typer.Option(help="Keeps what servers said, to ask for changes only.")] = _STATE,
        url: Url = LOCAL,
        key: Key = "",
        dry_run: DryRun = False,
        as_json: AsJson = False,
    ) -> None:
        """Import what another system exported; a second import changes nothing."""
        chosen = importers if format_ == "auto" else [one for one in importers if one.name == format_]
        if not chosen:
            fail(f"there is no format {format_}: use auto, {', '.join(one.name for one in importers)}")
        defaults = Defaults(source, lang, section, dict(_pairs(map_section)))
        kept = ValidatorFile(state.expanduser())
        try:
            with opened(where, defaults, kept.of(where), chosen) as found:
                report = _send(found.entries, url, key, dry_run=dry_run)
        except (OSError, UnreadableSourceError) as error:
            fail(f"{where} cannot be imported: {error}")
        if found.validators and not report.refused and not dry_run:
            kept.keep(where, found.validators)
        if found.is_unchanged and not as_json:
            console.print(f"{where} says that nothing changed")
        _finish(report, as_json=as_json)

    return group


def _pairs(mapped: list[str]) -> Iterator[tuple[str, str]]:
    for pair in mapped:
        category, sign, section = pair.rpartition("=")
        if not sign:
            fail(f"--map-section wants CATEGORY=SECTION, not {pair}")
        yield category, section


def _send(entries: Iterator[SourceEntry], url: str, key: str, *, dry_run: bool) -> "ImportReport":
    from services.ingest.importers.sending import SendingFailedError, send  # noqa: PLC0415 - see above

    with client_of(url, key) as client, counter("items") as count:
        try:
            return send(entries, client, count, dry_run=dry_run)
        except SendingFailedError as error:
            fail(str(error))


def _finish(report: "ImportReport", *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(report.as_json(), ensure_ascii=False))
    else:
        console.print(
            f"{report.changed} changed ({report.created} new, {report.revised} revised), {report.unchanged} unchanged, "
            f"{len(report.skipped)} skipped, {len(report.refused)} refused"
        )
        for word, entries in (("refused", report.refused), ("skipped", report.skipped)):
            for entry in entries[:_MAX_SHOWN]:
                console.print(f"  {word} {entry.origin}: {entry.reason}", markup=False)
            if len(entries) > _MAX_SHOWN:
                console.print(f"  … and {len(entries) - _MAX_SHOWN} more; --json lists them all")
    raise typer.Exit(1 if report.refused else 0)
