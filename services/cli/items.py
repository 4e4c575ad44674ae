"""The commands that send items in, end them and look after them: over HTTP, from anywhere."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from services.cli.client import LOCAL, Key, Url, answered, client_of
from services.cli.output import AsJson, console, fail, print_answer

if TYPE_CHECKING:
    # Imported inside the commands that need them, so that the other commands start faster.
    from services.ingest.importers.sending import Report

app = typer.Typer()

_STATE = Path("~/.cache/clarion/feeds.json")
_MOST_SHOWN = 20
# Of a file's hash; --json has it whole.
_DIGITS_SHOWN = 12

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
    from services.ingest.importers.base import Defaults, Found  # noqa: PLC0415 - see above
    from services.ingest.importers.tables import read_items  # noqa: PLC0415 - see above

    def found() -> Iterator[Found]:
        for file in files:
            yield from read_items(file, Defaults(source))

    _finish(_send(found(), url, key, dry_run=dry_run), as_json=as_json)


@app.command(name="import")
def import_(  # noqa: PLR0913 - an option each
    where: Annotated[str, typer.Argument(metavar="FEED-OR-FILE", help="A feed's address, a file or a folder.")],
    *,
    source: Annotated[str, typer.Option(help="The source that the items belong to.")],
    lang: Annotated[str | None, typer.Option(help="The language of items that name none.")] = None,
    section: Annotated[str | None, typer.Option(help="The section of items that name none.")] = None,
    map_section: Annotated[
        list[str] | None, typer.Option(help="CATEGORY=SECTION: where items of a category go; may be repeated.")
    ] = None,
    format_: Annotated[
        str, typer.Option("--format", help="auto, feed, markdown, ndjson, csv, wxr (WordPress) or ninjs (IPTC).")
    ] = "auto",
    state: Annotated[Path, typer.Option(help="Keeps what feeds' servers said, to ask for changes only.")] = _STATE,
    url: Url = LOCAL,
    key: Key = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Import a feed, a WordPress export, agency copy, a table or a folder of Markdown; again, it changes nothing."""
    import httpx  # noqa: PLC0415 - see above

    from services.ingest.importers import choosing, feeds  # noqa: PLC0415 - see above
    from services.ingest.importers.base import Defaults  # noqa: PLC0415 - see above

    formats: tuple[choosing.Format, ...] = ("auto", "feed", "markdown", "ndjson", "csv", "wxr", "ninjs")
    chosen = next((one for one in formats if one == format_), None)
    if chosen is None:
        fail(f"there is no format {format_}: use {', '.join(formats)}")
    defaults = Defaults(source, lang, section, dict(_pairs(map_section or [])))
    kept = feeds.ValidatorFile(state.expanduser())
    try:
        opened = choosing.open_source(where, chosen, defaults, kept.of(where))
        report = _send(opened.found, url, key, dry_run=dry_run)
    except (OSError, httpx.HTTPError, feeds.UnreadableFeedError) as error:
        fail(f"{where} cannot be imported: {error}")
    if opened.validators and not report.refused and not dry_run:
        kept.keep(where, opened.validators)
    if opened.is_unchanged and not as_json:
        console.print(f"{where} says that nothing changed")
    _finish(report, as_json=as_json)


@app.command()
def withdraw(
    item: Annotated[str, typer.Argument(metavar="SOURCE/EXTERNAL_ID")],
    *,
    to: Annotated[str | None, typer.Option(help="Send readers there: a path of the site or an address.")] = None,
    notice: Annotated[str | None, typer.Option(help="Keep the page, under this notice.")] = None,
    purge: Annotated[bool, typer.Option("--purge", help="Erase it everywhere; there is no way back.")] = False,
    url: Url = LOCAL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Withdraw an item: gone, unless readers are sent elsewhere or find a notice."""
    if to and notice:
        fail("choose one of --to and --notice")
    body = (
        {"mode": "redirect", "to": to} if to else {"mode": "notice", "notice": notice} if notice else {"mode": "gone"}
    )
    with client_of(url, key) as client:
        parameters = {"purge": "true"} if purge else {}
        answer = answered(client.request("DELETE", _path(item), json=body, params=parameters))
    if purge:
        done = "erased" if answer["erased"] else "withdrawn, and erased as soon as subscribers have been told"
        print_answer(answer, f"{item} is {done}", as_json=as_json)
    else:
        print_answer(answer, f"{item} is {answer['state']} at revision {answer['revision']}", as_json=as_json)


@app.command()
def timeline(
    item: Annotated[str, typer.Argument(metavar="SOURCE/EXTERNAL_ID")],
    *,
    revision: Annotated[int | None, typer.Option(help="That of the newest event, unless given.")] = None,
    url: Url = LOCAL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Say how far an item has come: accepted, rendered, visible, announced, delivered to so many of so many."""
    with client_of(url, key) as client:
        answer = answered(
            client.get(f"{_path(item)}/status", params={"revision": revision} if revision is not None else {})
        )
    head = f"{item}: {answer['state']}, revision {answer['accepted']['revision']}, {answer['url']}"
    print_answer(answer, "\n".join([head, *_steps(answer)]), as_json=as_json)


def _steps(answer: dict[str, Any]) -> Iterator[str]:  # Any: the answer's JSON
    yield f"  accepted   {answer['accepted']['at']}"
    if answer["unrenderable"]:
        yield f"  unrenderable: {answer['unrenderable']}"
    elif answer["forgotten"]:
        yield "  announced  longer ago than is remembered"
    else:
        for step in ("rendered", "visible", "announced"):
            yield f"  {step:<10} {answer[step]['at'] if answer[step] else 'not yet'}"
    delivered = answer["delivered"]
    if delivered:
        given_up = f", {delivered['given_up']} given up" if delivered["given_up"] else ""
        yield f"  delivered  {delivered['delivered']} of {delivered['of']}{given_up}"
    for file in answer["rendered"]["files"] if answer["rendered"] else ():
        yield f"  {(file['sha256'] or 'no file')[:_DIGITS_SHOWN]:<{_DIGITS_SHOWN}}  {file['path']}"


def _pairs(mapped: list[str]) -> Iterator[tuple[str, str]]:
    for pair in mapped:
        category, sign, section = pair.rpartition("=")
        if not sign:
            fail(f"--map-section wants CATEGORY=SECTION, not {pair}")
        yield category, section


def _send(found: Iterator[Any], url: str, key: str, *, dry_run: bool) -> "Report":  # Any: importers are imported late
    from services.ingest.importers.sending import SendingFailedError, send  # noqa: PLC0415 - see above

    bar = Progress(
        SpinnerColumn(), TextColumn("{task.completed} items"), TimeElapsedColumn(), console=console, transient=True
    )
    with client_of(url, key) as client, bar:
        task = bar.add_task("items", total=None)
        try:
            return send(found, client, dry_run=dry_run, on_done=lambda count: bar.update(task, advance=count))
        except SendingFailedError as error:
            fail(str(error))


def _finish(report: "Report", *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(report.as_json(), ensure_ascii=False))
    else:
        console.print(
            f"{report.changed} changed ({report.created} new, {report.revised} revised), {report.unchanged} unchanged, "
            f"{len(report.skipped)} skipped, {len(report.refused)} refused"
        )
        for word, found in (("refused", report.refused), ("skipped", report.skipped)):
            for one in found[:_MOST_SHOWN]:
                console.print(f"  {word} {one.origin}: {one.reason}", markup=False)
            if len(found) > _MOST_SHOWN:
                console.print(f"  … and {len(found) - _MOST_SHOWN} more; --json lists them all")
    raise typer.Exit(1 if report.refused else 0)


def _path(item: str) -> str:
    source, slash, external_id = item.partition("/")
    if not slash or not external_id:
        fail(f"name the item as SOURCE/EXTERNAL_ID, not {item}")
    return f"/v1/items/{source}/{external_id}"
