"""The `clarion` command."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from services.cli import archive, audit, dead_letters, epoch, imports, items, keys, subscriptions
from services.ingest.importers import IMPORTERS
from services.ingest.importers.base import Importer

_commands = typer.Typer()


@_commands.command()
def dev(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    data: Annotated[Path | None, typer.Option(help="Folder that keeps the state between runs.")] = None,
    site: Annotated[Path | None, typer.Option(help="Site file (TOML); the example newsroom's by default.")] = None,
    empty: Annotated[bool, typer.Option("--empty", help="Publish nothing.")] = False,
) -> None:
    """Run all of Clarion in one process over an embedded server."""
    from services.dev import runner  # noqa: PLC0415 - the other commands start faster without the services

    raise typer.Exit(runner.run(runner.DevOptions(host, port, data, site, empty or site is not None)))


@_commands.command()
def serve(service: Annotated[Literal["ingest", "render", "notify"], typer.Argument(help="Which service.")]) -> None:
    """Run one service by its CLARION_* settings."""
    from importlib import import_module  # noqa: PLC0415 - see dev

    from shared.http.server import serve as run  # noqa: PLC0415 - see dev

    run(import_module(f"services.{service}.app").running)


@_commands.command()
def rebuild(
    *,
    section: Annotated[str | None, typer.Option(help="Only this section and those below it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Write the site anew from the store, beside publishing; an interrupted rebuild goes on where it stopped."""
    from services.cli import site  # noqa: PLC0415 - see dev

    site.rebuild(section, as_json=as_json)


@_commands.command()
def verify(*, as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False) -> None:
    """Compare the site on disk with what a rebuild would write; the exit code is 1 where it differs."""
    from services.cli import site  # noqa: PLC0415 - see dev

    site.verify(as_json=as_json)


@_commands.command()
def migrate() -> None:
    """Bring a store of the release before into this release's layout, beside publishing; there is no way back."""
    from services.cli import operations  # noqa: PLC0415 - see dev

    operations.migrate()


@_commands.command()
def status(
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until interrupted.")] = False,
    every: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.1)] = 2,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, for scripts; with --watch a line each time.")
    ] = False,
) -> None:
    """Show what waits where: events for pages, announcements for queues, deliveries for endpoints; and the store."""
    from services.cli import operations  # noqa: PLC0415 - see dev

    operations.status(watch=watch, every=every, as_json=as_json)


@_commands.command()
def doctor(*, as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False) -> None:
    """Examine store, clock, disk, site file, addresses and keys, and say what to do; the exit code is 1 for trouble."""
    from services.cli import operations  # noqa: PLC0415 - see dev

    operations.doctor(as_json=as_json)


def command_line(importers: Sequence[Importer] = IMPORTERS) -> typer.Typer:
    """Return the whole command; `clarion import` reads these formats."""
    clarion = typer.Typer(
        help="Event-driven publishing for official newsrooms.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    import_ = imports.import_command(importers)
    for group in (_commands, imports.app, import_, items.app, subscriptions.app, archive.app, audit.app):
        clarion.add_typer(group)
    clarion.add_typer(dead_letters.letters, name="dead-letters")
    clarion.add_typer(keys.app, name="keys")
    clarion.add_typer(epoch.app, name="epoch")
    return clarion


app = command_line()


def main() -> None:
    """Run the command line."""
    app()
