"""How commands print: results on standard output, everything else on standard error."""

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

console = Console(stderr=True, highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def print_answer(answer: dict[str, Any], words: str, *, as_json: bool) -> None:  # Any: JSON
    """Print the answer as JSON for a script, or in words."""
    typer.echo(json.dumps(answer, ensure_ascii=False) if as_json else words)


def fail(reason: str) -> NoReturn:
    """Say why and leave with exit code 1."""
    console.print(reason, markup=False, style="red")
    raise typer.Exit(1)


@contextlib.contextmanager
def counter(unit: str) -> Iterator[Callable[[int], None]]:
    """Yield what counts units on standard error, for as long as the block runs."""
    columns = (SpinnerColumn(), TextColumn(f"{{task.completed}} {unit}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(unit, total=None)
        yield lambda count: bar.update(task, advance=count)
