"""`clarion rebuild` and `clarion verify`: bring the site on disk up to date with the store, and tell whether it is."""

import contextlib
import dataclasses
import json
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import structlog
import typer
from redis.asyncio import Redis
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from services.cli.output import console
from services.cli.store import on_store
from services.render.output.volume import Output
from services.render.rebuild.publishing_load import PublishingLoad
from services.render.rebuild.rebuild import OnProgress, RebuildProgress, RebuildResult
from services.render.rebuild.verify import Differences, FaultsOfComparison, compare
from services.render.wiring import assemble, edition_in_use
from shared.http.store_numbers import StoreNumbers, StoreWatch
from shared.model.errors import ClarionError
from shared.runtime.logs import configure_logs
from shared.runtime.settings import Settings

# A rebuild takes what processor time publishing leaves.
_NICENESS = 10


def rebuild(section: str | None, *, as_json: bool) -> None:
    """Write every page anew from the store, beside publishing; an interrupted rebuild goes on where it stopped."""
    _be_quiet_and_nice()
    with _progress(quiet=as_json) as on_progress:
        rebuilt = on_store(lambda settings, redis: _rebuild(settings, redis, section, on_progress))
    if as_json:
        typer.echo(json.dumps({"items": rebuilt.items, "listings": rebuilt.listings, "removed": rebuilt.stale}))
    else:
        console.print(
            f"rebuilt {rebuilt.items} item pages and {rebuilt.listings} lists, removed {len(rebuilt.stale)} stale files"
        )


def verify(*, as_json: bool) -> None:
    """
    Compare the site on disk with what a rebuild would write; exit code 1 where it differs.

    It also names items that the current edition cannot render, whose older page stands, and editions that were refused.
    """
    _be_quiet_and_nice()
    with _progress(quiet=as_json) as on_progress:
        differences, numbers = on_store(lambda settings, redis: _verify(settings, redis, on_progress))
    named = {"vetoed": numbers.vetoed, "refused": numbers.refused_editions}
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(differences) | named))
    else:
        _print({**dataclasses.asdict(differences), **named})
        if not differences:
            console.print("the site on disk is what a rebuild would write")
    if differences:
        raise typer.Exit(1)


async def _rebuild(settings: Settings, redis: Redis, section: str | None, on_progress: OnProgress) -> RebuildResult:
    current = await edition_in_use(settings, redis)
    if section is not None and section not in current.edition.site.section_at:
        raise ClarionError(f'there is no section "{section}" in the site file')
    output = Output(settings.output_dir)
    async with output.locked("rebuilds", [""]):
        rendering = assemble(redis, current.edition, output, trial=current.trial)
        return await rendering.rebuild.run(section, on_progress)


async def _verify(settings: Settings, redis: Redis, on_progress: OnProgress) -> tuple[Differences, StoreNumbers]:
    edition = (await edition_in_use(settings, redis)).edition
    with tempfile.TemporaryDirectory(prefix="clarion-verify-") as folder:
        volume, rebuilt = Output(settings.output_dir), Output(Path(folder))
        faults = FaultsOfComparison(volume, rebuilt)
        # An item that was published meanwhile may stand in one of the two only: a second rebuild catches up with it.
        for _ in range(2):
            await assemble(redis, edition, rebuilt, faults=faults).rebuild.run(on_progress=on_progress)
            await PublishingLoad(redis).until_idle()
            differences = compare(volume, rebuilt)
            if not differences:
                break
        return differences, await StoreWatch(redis).read()


def _be_quiet_and_nice() -> None:
    """Leave processor time to publishing, and show warnings only."""
    os.nice(_NICENESS)
    configure_logs()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


@contextlib.contextmanager
def _progress(*, quiet: bool) -> Iterator[OnProgress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=quiet) as progress:
        tasks: dict[str, TaskID] = {}

        def on_progress(step: RebuildProgress) -> None:
            if step.step not in tasks:
                tasks[step.step] = progress.add_task(step.step, total=step.total)
            progress.update(tasks[step.step], completed=step.done, total=step.total)

        yield on_progress


def _print(named: Mapping[str, Sequence[str]]) -> None:
    for what, names in named.items():
        for name in names:
            typer.echo(f"{what:9}  {name}")
