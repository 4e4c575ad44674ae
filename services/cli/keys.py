"""`clarion keys`: who may send and who may look; on the machine of the store, by its settings."""

import json
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from services.cli.output import AsJson, fail
from services.cli.store import Result, on_store
from shared.http.api_keys import SCOPES, ApiKey, KeyRing, Scope

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")


@app.command()
def create(
    *,
    name: Annotated[str, typer.Option(help="What the key is called, in lists and in the audit.")],
    scope: Annotated[list[str], typer.Option(help=f"What it may do: {', '.join(SCOPES)}; may be repeated.")],
    source: Annotated[list[str] | None, typer.Option(help="A source that it opens; may be repeated.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and show it, this once: the store keeps only its hash."""
    known: dict[str, Scope] = {one: one for one in SCOPES}
    unknown = [one for one in scope if one not in known]
    if unknown:
        fail(f"there is no scope {', '.join(unknown)}: use {', '.join(SCOPES)}")
    key = ApiKey(name=name, scopes=frozenset(known[one] for one in scope), sources=frozenset(source or ()))
    if not key.sources and not key.is_admin and key.scopes & {"items:write", "items:read"}:
        fail("a key for items opens sources: add --source")
    token = _run(lambda ring: ring.create(key))
    typer.echo(json.dumps({**_shown(key), "key": token}) if as_json else token)


@app.command(name="list")
def list_(*, as_json: AsJson = False) -> None:
    """List the keys; nobody can show their secrets."""
    for key in _run(lambda ring: ring.list()):
        shown = _shown(key)
        line = f"{key.name}: {', '.join(key.scopes)}; sources: {', '.join(sorted(key.sources)) or 'none'}"
        typer.echo(json.dumps(shown) if as_json else line)


@app.command()
def revoke(name: Annotated[str, typer.Argument(help="The key's name.")]) -> None:
    """Make every key of this name useless, at once."""
    if not _run(lambda ring: ring.revoke(name)):
        fail(f'there is no key "{name}"')
    typer.echo(f'revoked "{name}"')


def _run(act: Callable[[KeyRing], Awaitable[Result]]) -> Result:
    return on_store(lambda settings, redis: act(KeyRing(redis, settings)))


def _shown(key: ApiKey) -> dict[str, object]:
    return {"name": key.name, "scopes": sorted(key.scopes), "sources": sorted(key.sources)}
