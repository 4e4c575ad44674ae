"""How commands speak: results on standard output, everything else on standard error."""

import json
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

console = Console(stderr=True, highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Words = list[str]


def print_answer(answer: dict[str, Any], words: str, *, as_json: bool) -> None:  # Any: JSON
    """Print the answer for a script, or what it comes to in words."""
    typer.echo(json.dumps(answer, ensure_ascii=False) if as_json else words)


def fail(reason: str) -> NoReturn:
    """Say why and leave with exit code 1."""
    console.print(reason, markup=False, style="red")
    raise typer.Exit(1)
