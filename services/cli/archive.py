"""`clarion export` and `clarion restore`: the whole store as an NDJSON archive, on the machine of the store."""

import gzip
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import typer
from redis.asyncio import Redis

from services.cli.output import console, counter
from services.cli.store import on_store
from shared.model.clock import iso, store_now
from shared.runtime.settings import Settings
from shared.store.history import begin_next_epoch
from shared.store.upkeep import archive

app = typer.Typer()


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="Where to write the archive; .gz compresses it.")],
) -> None:
    """Write the whole store into an archive; refused where the store is written to meanwhile."""

    async def write(_: Settings, redis: Redis) -> None:
        beside = file.with_name(f".{file.name}.new")
        try:
            with counter("lines") as count, _opened(beside, "wb", compressed=file.suffix == ".gz") as out:
                async for line in archive.export(redis, now=iso(await store_now(redis))):
                    out.write(line)
                    count(1)
            beside.replace(file)
        finally:
            beside.unlink(missing_ok=True)

    on_store(write)
    console.print(f"exported to {file}", markup=False)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="An archive that `clarion export` wrote.", exists=True)],
) -> None:
    """Write an archive into an empty store: then the services go on where they were, in a new epoch."""

    async def read(_: Settings, redis: Redis) -> tuple[int, int]:
        with counter("lines") as count, _opened(file, "rb", compressed=file.suffix == ".gz") as lines:
            summary = await archive.restore(redis, lines, lambda: count(1))
        return summary.keys, await begin_next_epoch(redis, "restored")

    keys, epoch = on_store(read)
    console.print(f"restored {keys} keys from {file}; epoch {epoch} begins", markup=False)


def _opened(file: Path, mode: Literal["rb", "wb"], *, compressed: bool) -> BinaryIO | gzip.GzipFile:
    return gzip.GzipFile(file, mode) if compressed else file.open(mode)
