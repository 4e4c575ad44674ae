"""The commands about who is told: subscribe, try a receiver, look at what was given up, and have it sent again."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

if TYPE_CHECKING:
    # Imported inside the commands that need them, so that the other commands start faster.
    import httpx

    from services.notify.dead_deliveries import DeadDeliveries
    from services.notify.delivery_history import DeliveryHistory
    from shared.dead_letters import DeadLetters

app = typer.Typer()
letters = typer.Typer(no_args_is_help=True, help="What was given up: events that no page came of, and deliveries.")
app.add_typer(letters, name="dead-letters")
console = Console(stderr=True, highlight=False)

_LOCAL = "http://127.0.0.1:8000"
_TIMEOUT_SECONDS = 30
_LOOK_EVERY_SECONDS = 0.5

Url = Annotated[str, typer.Option("--url", envvar="CLARION_BASE_URL", help="Where Clarion answers.")]
Key = Annotated[str, typer.Option("--key", envvar=["CLARION_KEY", "CLARION_BOOTSTRAP_KEY"], help="An API key.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Words = list[str]


@app.command()
def subscribe(  # noqa: PLR0913 - an option each
    endpoint: Annotated[str | None, typer.Argument(help="The URL that is to be told by webhooks.")] = None,
    *,
    websub: Annotated[str | None, typer.Option(help="Subscribe to this feed by WebSub instead; no key needed.")] = None,
    callback: Annotated[str | None, typer.Option(help="With --websub: the URL that is to be sent the feed.")] = None,
    secret: Annotated[str | None, typer.Option(help="With --websub: signs what is sent; made unless given.")] = None,
    lease: Annotated[int | None, typer.Option(help="With --websub: seconds to stay subscribed.", min=1)] = None,
    end: Annotated[bool, typer.Option("--end", help="With --websub: unsubscribe.")] = False,
    types: Annotated[Words, typer.Option("--type", help="Only events of this type; may be repeated.")] = [],  # noqa: B006
    langs: Annotated[Words, typer.Option("--lang", help="Only this language.")] = [],  # noqa: B006
    sections: Annotated[Words, typer.Option("--section", help="Only this section and those below it.")] = [],  # noqa: B006
    tags: Annotated[Words, typer.Option("--tag", help="Only items with this tag.")] = [],  # noqa: B006
    sources: Annotated[Words, typer.Option("--source", help="Only items of this source.")] = [],  # noqa: B006
    ordered: Annotated[bool, typer.Option("--ordered", help="One at a time, in the order of events.")] = False,
    max_per_second: Annotated[int | None, typer.Option(help="At most so many a second.")] = None,
    contact: Annotated[str | None, typer.Option(help="Whom to tell when the endpoint is disabled.")] = None,
    ping: Annotated[bool, typer.Option("--ping", help="Send a test delivery at once.")] = False,
    url: Url = _LOCAL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Subscribe an endpoint to webhooks, or to a feed; prints the secret that verifies them, this once."""
    if websub is not None:
        return _ask_hub(websub, callback or endpoint, secret, lease, end=end, as_json=as_json)
    if endpoint is None:
        _fail("say which URL is to be told, or which feed is wanted: --websub FEED --callback URL")
    wanted = {"types": types, "langs": langs, "sections": sections, "tags": tags, "sources": sources}
    asked = {"url": endpoint, "filter": wanted, "ordered": ordered, "ping": ping}
    asked |= {"max_per_second": max_per_second, "contact": contact}
    with _client(url, key) as client:
        made = _answered(client.post("/v1/subscriptions", json=asked))
    _print(made, f"subscribed {made['id']}\nsecret     {made['secret']}  (shown once: keep it)", as_json=as_json)
    return None


def _ask_hub(  # noqa: PLR0913 - an option each
    topic: str,
    callback: str | None,
    secret: str | None,
    lease: int | None,
    *,
    end: bool,
    as_json: bool,
) -> None:
    from services.commands.websub import HubNotAsked, ask_hub  # noqa: PLC0415 - see above

    if callback is None:
        _fail("say which URL is to be sent the feed: --callback")
    try:
        asked = ask_hub(topic, callback, "unsubscribe" if end else "subscribe", secret, lease)
    except HubNotAsked as error:
        _fail(str(error))
    told = f"secret     {asked.secret}  (shown once: keep it)" if asked.secret else "it will be sent no more"
    _print(asdict(asked), f"asked {asked.hub}, which now asks {callback} to confirm\n{told}", as_json=as_json)


@app.command()
def listen(  # noqa: PLR0913 - an option each
    *,
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 9000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    secret: Annotated[Words, typer.Option(help="Check signatures with this secret; may be repeated.")] = [],  # noqa: B006
    answer: Annotated[list[int], typer.Option(help="Statuses to answer in turn; the last one stays.")] = [204],  # noqa: B006
    wait: Annotated[float, typer.Option(help="Seconds to wait before each answer.", min=0)] = 0,
    retry_after: Annotated[int | None, typer.Option(help="Seconds to ask for in failures.", min=0)] = None,
    as_json: AsJson = False,
) -> None:
    """Listen as a subscriber does: show what arrives and whether its signature holds, until interrupted."""
    from services.commands.receiver import Arrived, Behaviour, in_words, receiver  # noqa: PLC0415 - see above

    def show(arrived: Arrived) -> None:
        told = {**asdict(arrived), "at": arrived.at.isoformat()}
        typer.echo(json.dumps(told, ensure_ascii=False) if as_json else in_words(arrived))

    try:
        server = receiver(host, port, secret, Behaviour(tuple(answer), wait, retry_after), show)
    except (OSError, ValueError) as error:
        _fail(f"cannot listen: {error}")
    console.print(f"listening on http://{host}:{server.server_port}/ (Ctrl-C stops)")
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            console.print("stopped")


@app.command()
def replay(  # noqa: PLR0913 - an option each
    subscription: Annotated[str, typer.Argument(help="Whose deliveries.")],
    *,
    since: Annotated[datetime | None, typer.Option(help="Events from this moment on (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(help="Events before this moment (UTC).")] = None,
    only: Annotated[Literal["failed", "all"], typer.Option(help="What was given up, or all that matches.")] = "failed",
    url: Url = _LOCAL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Have deliveries made again, under the ids they had; the work goes on though this command is interrupted."""
    window = {name: f"{moment.isoformat()}Z" for name, moment in (("since", since), ("until", until)) if moment}
    with _client(url, key) as client:
        answer = client.post(f"/v1/subscriptions/{subscription}/replay", json={"only": only, **window})
        job = _answered(answer)
        with _progress(quiet=as_json) as progress:
            task = progress.add_task("replaying", total=1.0)
            while job["state"] != "done":
                time.sleep(_LOOK_EVERY_SECONDS)
                job = _answered(client.get(answer.headers["Location"]))
                progress.update(task, completed=job["progress"])
    _print(job, f"{job['deliveries']} deliveries were enqueued again", as_json=as_json)


@letters.command("list")
def list_letters(
    *,
    limit: Annotated[int, typer.Option(help="At most so many of each kind.", min=1)] = 50,
    as_json: AsJson = False,
) -> None:
    """List what was given up, the newest first: events, and deliveries."""
    found = asyncio.run(_with_store(lambda store: _listed(store, limit)))
    if as_json:
        return typer.echo(json.dumps(found, ensure_ascii=False))
    for one in found:
        typer.echo(f"{one['at']}  {one['kind']:8}  {one['id']}  {one['type']}  {one['reason']}")
    return None if found else console.print("nothing was given up")


@letters.command("replay")
def replay_letters(
    ids: Annotated[Words | None, typer.Argument(help="Dead letters by the ids that `list` shows.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All that `list` would show without a limit.")] = False,
    as_json: AsJson = False,
) -> None:
    """Try again what was given up: events are rendered anew, deliveries sent under the ids they had."""
    if bool(ids) == every:
        _fail("name some dead letters, or say --all")
    replayed, missing = asyncio.run(_with_store(lambda store: _replayed(store, ids)))
    _print({"replayed": replayed, "missing": missing}, f"replayed {len(replayed)}", as_json=as_json)
    if missing:
        _fail(f"there is no such dead letter, or it cannot be replayed: {', '.join(missing)}")


@dataclass(frozen=True)
class _Store:
    """What these commands need of the store."""

    events: "DeadLetters"
    deliveries: "DeadDeliveries"
    history: "DeliveryHistory"


async def _listed(store: _Store, limit: int) -> list[dict[str, str]]:
    from shared.clock import from_ms, iso  # noqa: PLC0415 - see above

    found = [
        {"at": iso(one.at), "kind": "event", "id": one.id, "type": one.event_type, "reason": one.reason}
        for one in await store.events.newest(limit)
    ]
    page = await store.deliveries.newest(None, None, limit)
    for letter in page.letters:
        last = letter.last_attempt
        reason = " ".join(str(last[name]) for name in ("reason", "status") if last.get(name))
        at = iso(from_ms(int(letter.letter_id.partition("-")[0])))
        one = {"at": at, "kind": "delivery", "id": letter.delivery.id}
        found.append({**one, "type": letter.delivery.event_type, "reason": reason})
    return sorted(found, key=lambda one: one["at"], reverse=True)


async def _replayed(store: _Store, ids: Words | None) -> tuple[Words, Words]:
    """Return the ids of what is tried again, and of what is not there."""
    replayed: Words = []
    missing: Words = []
    async for one in _all_ids(store) if ids is None else _each(ids):
        is_there = await (store.events.replay(one) if _is_event(one) else _redelivered(store, one))
        (replayed if is_there else missing).append(one)
    return replayed, missing


async def _all_ids(store: _Store) -> AsyncIterator[str]:
    from shared.ids import DeliveryId  # noqa: PLC0415 - see above

    for event in await store.events.newest(1_000_000):
        if event.may_be_replayed:
            yield event.id
    cursor, seen = None, set[DeliveryId]()
    while True:
        page = await store.deliveries.newest(None, cursor, 500)
        for letter in page.letters:
            if letter.delivery.id not in seen:
                yield letter.delivery.id
            seen.add(letter.delivery.id)
        cursor = page.next
        if cursor is None:
            return


async def _each(ids: Words) -> AsyncIterator[str]:
    for one in ids:
        yield one


async def _redelivered(store: _Store, delivery: str) -> bool:
    from shared.errors import NotFound  # noqa: PLC0415 - see above
    from shared.ids import DeliveryId  # noqa: PLC0415 - see above

    try:
        await store.history.retry_now(DeliveryId(delivery))
    except NotFound:
        return False
    return True


def _is_event(letter_id: str) -> bool:
    """Whether this is a place in a stream: a delivery's id ends with its subscription's."""
    return letter_id.replace("-", "").isdigit()


async def _with_store(work: Any) -> Any:  # Any: what `work` returns
    from redis.exceptions import RedisError  # noqa: PLC0415 - see above

    from services.notify.dead_deliveries import DeadDeliveries  # noqa: PLC0415 - see above
    from services.notify.delivery_history import DeliveryHistory  # noqa: PLC0415 - see above
    from services.notify.event_log import EventLog  # noqa: PLC0415 - see above
    from services.notify.shard_advance import ShardAdvance  # noqa: PLC0415 - see above
    from services.notify.subscription_store import SubscriptionStore, settle_shard_count  # noqa: PLC0415 - see above
    from shared.dead_letters import DeadLetters  # noqa: PLC0415 - see above
    from shared.errors import ClarionError  # noqa: PLC0415 - see above
    from shared.redis_client import connect  # noqa: PLC0415 - see above
    from shared.settings import Settings  # noqa: PLC0415 - see above

    settings = Settings()
    redis = connect(settings.redis_url)
    try:
        store = SubscriptionStore(redis, await settle_shard_count(redis, settings.shards))
        enqueue = ShardAdvance(redis, store, EventLog(redis)).enqueue
        deliveries, history = DeadDeliveries(redis, store), DeliveryHistory(redis, store, enqueue)
        return await work(_Store(DeadLetters(redis), deliveries, history))
    except (ClarionError, OSError, RedisError) as error:
        _fail(str(error))
    finally:
        await redis.aclose()


@contextmanager
def _client(url: str, key: str) -> "Iterator[httpx.Client]":
    import httpx  # noqa: PLC0415 - see above

    if not key:
        _fail("say who you are: --key, or CLARION_KEY in the environment")
    try:
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=_TIMEOUT_SECONDS) as client:
            yield client
    except httpx.TransportError as error:
        _fail(f"{url} cannot be reached: {error}")


def _answered(response: "httpx.Response") -> dict[str, Any]:  # Any: JSON
    if response.is_error:
        problem = response.json() if "json" in response.headers.get("content-type", "") else {}
        wrong = "".join(f"\n  {one['pointer']}: {one['detail']}" for one in problem.get("errors", ()))
        _fail(str(problem.get("detail") or f"{response.status_code} {response.text[:500]}") + wrong)
    answer: dict[str, Any] = response.json()
    return answer


def _progress(*, quiet: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    return Progress(*columns, console=console, disable=quiet)


def _print(answer: dict[str, Any], words: str, *, as_json: bool) -> None:  # Any: JSON
    typer.echo(json.dumps(answer, ensure_ascii=False) if as_json else words)


def _fail(reason: str) -> NoReturn:
    console.print(reason, markup=False, style="red")
    raise typer.Exit(1)
