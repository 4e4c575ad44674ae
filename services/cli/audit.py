"""`clarion audit`: who did what to which item."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.client import LOCAL, Key, Url, answer_of, client_of
from services.cli.output import AsJson

if TYPE_CHECKING:
    import httpx

app = typer.Typer()


@app.command()
def audit(
    *,
    source: Annotated[str | None, typer.Option(help="Only items of this source.")] = None,
    by: Annotated[str | None, typer.Option(help="Only what the key of this name did.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Only from this moment on, in this machine's time.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many acts; 0 for all.", min=0)] = 50,
    url: Url = LOCAL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List who did what to which item, newest first; --json prints an object a line. The key must be an admin's."""
    moment = since.astimezone().isoformat() if since else None
    asked = {name: value for name, value in {"source": source, "actor": by, "since": moment}.items() if value}
    with client_of(url, key) as client:
        for number, act in enumerate(_acts(client, asked), start=1):
            typer.echo(json.dumps(act, ensure_ascii=False) if as_json else _words(act))
            if number == limit:
                break


def _acts(client: "httpx.Client", asked: dict[str, str]) -> Iterator[dict[str, Any]]:  # Any: the answer's JSON
    cursor: str | None = ""
    while cursor is not None:
        page = answer_of(client.get("/v1/audit", params={**asked, **({"cursor": cursor} if cursor else {})}))
        yield from page["acts"]
        cursor = page["next"]


def _words(act: dict[str, Any]) -> str:  # Any: see _acts
    return (
        f"{act['at']}  {act['actor']}  {act['act']}  {act['source']}/{act['external_id']}  revision {act['revision']}"
    )
