"""`clarion epoch`: the epoch of the store's history; on the machine of the store, by its settings."""

import json

import typer

from services.cli.output import AsJson
from services.cli.store import on_store
from shared.model.clock import iso
from shared.store.history import begin_next_epoch, read_epoch

app = typer.Typer(no_args_is_help=True, help="The epoch of the store: each copy that is put back begins a new one.")


@app.command()
def show(*, as_json: AsJson = False) -> None:
    """Show the epoch, when it began and why."""
    epoch = on_store(lambda _, redis: read_epoch(redis))
    if as_json:
        began = {"began_at": iso(epoch.began_at), "reason": epoch.reason} if epoch else {}
        typer.echo(json.dumps({"epoch": epoch.number if epoch else 0, **began}))
    elif epoch is None:
        typer.echo("epoch 0: the store was never put back")
    else:
        typer.echo(f"epoch {epoch.number} since {iso(epoch.began_at)} ({epoch.reason})")


@app.command()
def new() -> None:
    """Begin a new epoch: say so where store and site were both put back, before the services start."""
    epoch = on_store(lambda _, redis: begin_next_epoch(redis, "asked"))
    typer.echo(f"epoch {epoch}")
