"""`clarion rebuild` and `clarion verify`: bring the site on disk up to date with the store, and tell whether it is."""

import asyncio
import contextlib
import dataclasses
import json
import logging
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import structlog
import typer
from redis.asyncio import Redis
from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from services.render.output.volume import Output
from services.render.rebuild.publishing_load import PublishingLoad
from services.render.rebuild.rebuild import Progress as Step
from services.render.rebuild.rebuild import Rebuilt, Watch
from services.render.rebuild.verify import Differences, compare, refuse_fault
from services.render.wiring import assemble, edition_in_use
from shared.model.errors import ClarionError
from shared.runtime.logs import configure_logs
from shared.runtime.settings import Settings
from shared.store.redis_client import connect

# A rebuild takes what processor time publishing leaves.
_NICENESS = 10

console = Console(stderr=True, highlight=False)


def rebuild(section: str | None, *, as_json: bool) -> None:
    """Write every page anew from the store, beside publishing; what was interrupted goes on where it stopped."""
    os.nice(_NICENESS)
    with _in_few_words(), _progress(quiet=as_json) as watch:
        rebuilt = asyncio.run(_rebuild(section, watch))
    if as_json:
        typer.echo(json.dumps({"items": rebuilt.items, "listings": rebuilt.listings, "removed": rebuilt.stale}))
    else:
        console.print(
            f"rebuilt {rebuilt.items} item pages and {rebuilt.listings} lists, removed {len(rebuilt.stale)} stale files"
        )


def verify(*, as_json: bool) -> None:
    """Compare the site on disk with what a rebuild would write; exit code 1 where it differs."""
    os.nice(_NICENESS)
    with _in_few_words(), _progress(quiet=as_json) as watch:
        differences = asyncio.run(_verify(watch))
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(differences)))
    else:
        _print(differences)
    if differences:
        raise typer.Exit(1)


async def _rebuild(section: str | None, watch: Watch) -> Rebuilt:
    async with _store() as (settings, redis):
        edition = await edition_in_use(settings, redis)
        if section is not None and section not in edition.site.section_at:
            raise ClarionError(f'there is no section "{section}" in the site file')
        output = Output(settings.output_dir)
        async with output.locked("rebuilds", [""]):
            return await assemble(redis, edition, output).rebuild.run(section, watch)


async def _verify(watch: Watch) -> Differences:
    async with _store() as (settings, redis):
        edition = await edition_in_use(settings, redis)
        with tempfile.TemporaryDirectory(prefix="clarion-verify-") as folder:
            rebuilt = Output(Path(folder))
            await assemble(redis, edition, rebuilt, on_fault=refuse_fault).rebuild.run(watch=watch)
            # What was published meanwhile stands in one of the two and not yet in the other.
            await PublishingLoad(redis).passed()
            differences = compare(Output(settings.output_dir), rebuilt)
            if differences:
                await assemble(redis, edition, rebuilt, on_fault=refuse_fault).rebuild.run(watch=watch)
                await PublishingLoad(redis).passed()
                differences = compare(Output(settings.output_dir), rebuilt)
            return differences


@contextlib.asynccontextmanager
async def _store() -> AsyncIterator[tuple[Settings, Redis]]:
    settings = Settings()
    redis = connect(settings.redis_url)
    try:
        yield settings, redis
    finally:
        await redis.aclose()


@contextlib.contextmanager
def _in_few_words() -> Iterator[None]:
    configure_logs()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        yield
    except (ClarionError, OSError, RedisError) as error:
        console.print(f"[red]{error}[/]")
        raise typer.Exit(1) from error


@contextlib.contextmanager
def _progress(*, quiet: bool) -> Iterator[Watch]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=quiet) as progress:
        tasks: dict[str, TaskID] = {}

        def watch(step: Step) -> None:
            if step.step not in tasks:
                tasks[step.step] = progress.add_task(step.step, total=step.total)
            progress.update(tasks[step.step], completed=step.done, total=step.total)

        yield watch


def _print(differences: Differences) -> None:
    for what, paths in (
        ("missing", differences.missing),
        ("different", differences.different),
        ("stale", differences.stale),
        ("searched", differences.searched),
    ):
        for path in paths:
            typer.echo(f"{what:9}  {path}")
    if not differences:
        console.print("the site on disk is what a rebuild would write")
