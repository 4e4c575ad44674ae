"""`clarion export` and `clarion restore`: the whole store as an NDJSON archive, on the machine of the store."""

import asyncio
import gzip
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import typer
from redis.asyncio import Redis
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from shared.model.clock import iso, store_now
from shared.model.errors import ClarionError
from shared.runtime.settings import Settings
from shared.store import archive
from shared.store.redis_client import connect

app = typer.Typer()
console = Console(stderr=True, highlight=False)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="Where to write the archive; .gz compresses it.")],
) -> None:
    """Write the whole store into an archive; one that is written to meanwhile is refused."""
    _run(_export(file))


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="An archive that `clarion export` wrote.", exists=True)],
) -> None:
    """Write an archive into an empty store: then the services go on where they were."""
    _run(_restore(file))


async def _export(file: Path) -> None:
    redis = connect(Settings().redis_url)
    beside = file.with_name(f".{file.name}.new")
    try:
        with _progress() as bar, _opened(beside, "wb", compressed=file.suffix == ".gz") as out:
            task = bar.add_task("lines", total=None)
            async for line in archive.export(redis, now=iso(await store_now(redis))):
                out.write(line)
                bar.update(task, advance=1)
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
        await redis.aclose()
    console.print(f"exported to {file}", markup=False)


async def _restore(file: Path) -> None:
    redis: Redis = connect(Settings().redis_url)
    try:
        with _progress() as bar, _opened(file, "rb", compressed=file.suffix == ".gz") as source:
            task = bar.add_task("lines", total=None)
            summary = await archive.restore(redis, _lines(source), lambda: bar.update(task, advance=1))
    finally:
        await redis.aclose()
    console.print(f"restored {summary.keys} keys from {file}", markup=False)


def _run(work: Coroutine[None, None, None]) -> None:
    try:
        asyncio.run(work)
    except (ClarionError, OSError) as error:
        console.print(str(error), markup=False, style="red")
        raise typer.Exit(1) from None


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(), TextColumn("{task.completed} lines"), TimeElapsedColumn(), console=console, transient=True
    )


def _opened(file: Path, mode: Literal["rb", "wb"], *, compressed: bool) -> BinaryIO | gzip.GzipFile:
    return gzip.GzipFile(file, mode) if compressed else file.open(mode)


def _lines(source: BinaryIO | gzip.GzipFile) -> Iterator[bytes]:
    yield from source
