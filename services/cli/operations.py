"""`clarion status`, `doctor` and `migrate`: the state of an installation, and what to do about it."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

import typer
from redis.asyncio import Redis
from redis.exceptions import RedisError
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from services.cli.doctor import examine
from services.cli.findings import Finding, Verdict
from services.cli.output import console, counter
from services.cli.store import on_store
from shared.http.concerns import concerns_of
from shared.http.store_numbers import StoreNumbers, StoreWatch
from shared.model.clock import span
from shared.model.errors import Unavailable
from shared.model.site_file import load_site
from shared.runtime.settings import Settings
from shared.store.layout.migration import Migration
from shared.store.layout.number import NEWEST_LAYOUT

_COLOURS: dict[Verdict, str] = {"ok": "green", "warning": "yellow", "trouble": "red"}


def status(*, watch: bool, every: float, as_json: bool) -> None:
    """Show how far behind each consumer is, once or until interrupted. Exits with 1 if the store does not answer."""

    async def show_numbers(_: Settings, redis: Redis) -> None:
        numbers = StoreWatch(redis)
        try:
            with _showing(as_json=as_json) as show:
                show(await numbers.read())
                while watch:
                    await asyncio.sleep(every)
                    show(await numbers.read())
        except (RedisError, OSError) as error:
            raise Unavailable(f"the store does not answer: {error}") from error

    try:
        on_store(show_numbers)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def doctor(*, as_json: bool) -> None:
    """Examine the installation and say what to do. Exits with 1 if there is trouble."""
    findings = on_store(examine)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2))
    else:
        Console(highlight=False).print(findings_table(findings))
    raise typer.Exit(int(any(finding.verdict == "trouble" for finding in findings)))


def migrate() -> None:
    """Bring the store into the newest layout. What was interrupted goes on where it stopped."""

    async def bring(settings: Settings, redis: Redis) -> bool:
        zone = load_site(settings.site_file).zone
        with counter("items and listings") as count:
            return await Migration(redis, zone).run(count)

    if on_store(bring):
        console.print(f"the store has layout {NEWEST_LAYOUT}, and render writes the site anew")
    else:
        console.print(f"the store had layout {NEWEST_LAYOUT} before: nothing was done")


@contextlib.contextmanager
def _showing(*, as_json: bool) -> Iterator[Callable[[StoreNumbers], None]]:
    """Yield a function that shows the numbers: as a line of JSON, or as tables that replace the last ones."""
    if as_json:
        yield lambda numbers: typer.echo(json.dumps(asdict(numbers)))
        return
    with Live(console=Console(highlight=False), auto_refresh=False) as live:
        yield lambda numbers: live.update(status_tables(numbers), refresh=True)


def status_tables(numbers: StoreNumbers) -> Group:
    """Return the numbers for eyes: the pipeline first, then deliveries, then the store; last what needs attention."""
    concerns = [f"[red]{concern.sentence(numbers)}[/]" for concern in concerns_of(numbers)]
    return Group(_pipeline(numbers), _deliveries(numbers), _store(numbers), *concerns)


def _pipeline(numbers: StoreNumbers) -> Table:
    table = Table("stream", "read by", "waiting", "in hand", "oldest", title="Pipeline", title_justify="left")
    for group in numbers.groups:
        table.add_row(group.stream, group.group, str(group.lag), str(group.pending), span(group.oldest_seconds))
    if not numbers.groups:
        table.add_row("nothing was ever published, and no service has run", "", "", "", "")
    return table


def _deliveries(numbers: StoreNumbers) -> Table:
    queue = numbers.queue
    table = Table("waiting", "overdue by", *queue.endpoints, "dead letters", title="Deliveries", title_justify="left")
    letters = f"{numbers.dead_letters} events, {queue.dead_letters} deliveries"
    counts = [str(count) for count in queue.endpoints.values()]
    table.add_row(str(queue.waiting), span(queue.overdue_seconds), *counts, letters)
    return table


def _store(numbers: StoreNumbers) -> Table:
    server = numbers.server
    table = Table("version", "memory", "file", "last write", "last rewrite", "replicas", title="Store")
    table.title_justify = "left"
    limit = f" of {server.memory_limit_bytes / 2**20:.0f}" if server.memory_limit_bytes else ""
    table.add_row(
        server.version,
        f"{server.memory_bytes / 2**20:.1f}{limit} MiB",
        f"{server.file_bytes / 2**20:.1f} MiB" if server.append_only else "off",
        "well" if server.last_write_ok else "failed",
        "well" if server.last_rewrite_ok else "failed",
        str(server.replicas),
    )
    return table


def findings_table(findings: Sequence[Finding]) -> Table:
    """Return the findings for eyes."""
    table = Table("", "what", show_lines=True)
    for title in ("found", "what to do"):
        table.add_column(title, overflow="fold")
    for finding in findings:
        mark = f"[{_COLOURS[finding.verdict]}]{finding.verdict}[/]"
        table.add_row(mark, finding.what, finding.found, finding.todo)
    return table
