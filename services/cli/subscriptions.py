"""`clarion subscribe`, `clarion listen`, `clarion replay`: subscribe an endpoint, try one, repeat its deliveries."""

import json
import time
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from services.cli.client import LOCAL, Key, Url, answer_of, client_of
from services.cli.output import AsJson, console, fail, print_answer

app = typer.Typer()

_LOOK_EVERY_SECONDS = 0.5


@app.command()
def subscribe(  # noqa: PLR0913 - an option each
    endpoint: Annotated[str | None, typer.Argument(help="The address that is to be told: a URL for webhooks.")] = None,
    *,
    kind: Annotated[str | None, typer.Option(help="The channel; webhooks unless given.")] = None,
    fields: Annotated[list[str], typer.Option("--set", help="A field of that channel, as NAME=VALUE.")] = [],  # noqa: B006
    websub: Annotated[str | None, typer.Option(help="Subscribe to this feed by WebSub instead; no key needed.")] = None,
    callback: Annotated[str | None, typer.Option(help="With --websub: the URL that is to be sent the feed.")] = None,
    secret: Annotated[str | None, typer.Option(help="With --websub: signs what is sent; made unless given.")] = None,
    lease: Annotated[int | None, typer.Option(help="With --websub: seconds to stay subscribed.", min=1)] = None,
    end: Annotated[bool, typer.Option("--end", help="With --websub: unsubscribe.")] = False,
    types: Annotated[list[str], typer.Option("--type", help="Only events of this type; may be repeated.")] = [],  # noqa: B006
    langs: Annotated[list[str], typer.Option("--lang", help="Only this language.")] = [],  # noqa: B006
    sections: Annotated[list[str], typer.Option("--section", help="Only this section and those below it.")] = [],  # noqa: B006
    tags: Annotated[list[str], typer.Option("--tag", help="Only items with this tag.")] = [],  # noqa: B006
    sources: Annotated[list[str], typer.Option("--source", help="Only items of this source.")] = [],  # noqa: B006
    ordered: Annotated[bool, typer.Option("--ordered", help="One at a time, in the order of events.")] = False,
    max_per_second: Annotated[int | None, typer.Option(help="At most so many a second.")] = None,
    contact: Annotated[str | None, typer.Option(help="Whom to tell when the endpoint is disabled.")] = None,
    ping: Annotated[bool, typer.Option("--ping", help="Send a test delivery at once.")] = False,
    url: Url = LOCAL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Subscribe an endpoint to events, or to a feed; prints the secret that verifies what is sent, this once."""
    if websub is not None:
        return _ask_hub(websub, callback or endpoint, secret, lease, end=end, as_json=as_json)
    if endpoint is None:
        fail("say which URL is to be told, or which feed is wanted: --websub FEED --callback URL")
    wanted = {"types": types, "langs": langs, "sections": sections, "tags": tags, "sources": sources}
    asked = {"url": endpoint, "filter": wanted, "ordered": ordered, "ping": ping}
    asked |= {"max_per_second": max_per_second, "contact": contact}
    asked |= dict(field.partition("=")[::2] for field in fields) | ({"kind": kind} if kind else {})
    with client_of(url, key) as client:
        made = answer_of(client.post("/v1/subscriptions", json=asked))
    print_answer(made, f"subscribed {made['id']}\nsecret     {made['secret']}  (shown once: keep it)", as_json=as_json)
    return None


def _ask_hub(
    topic: str,
    callback: str | None,
    secret: str | None,
    lease: int | None,
    *,
    end: bool,
    as_json: bool,
) -> None:
    from services.cli.websub import HubRefusal, ask_hub  # noqa: PLC0415 - the other commands start faster without it

    if callback is None:
        fail("say which URL is to be sent the feed: --callback")
    try:
        asked = ask_hub(topic, callback, "unsubscribe" if end else "subscribe", secret, lease)
    except HubRefusal as error:
        fail(str(error))
    told = f"secret     {asked.secret}  (shown once: keep it)" if asked.secret else "it will be sent no more"
    print_answer(asdict(asked), f"asked {asked.hub}, which now asks {callback} to confirm\n{told}", as_json=as_json)


@app.command()
def listen(
    *,
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 9000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    secret: Annotated[list[str], typer.Option(help="Check signatures with this secret; may be repeated.")] = [],  # noqa: B006
    answer: Annotated[list[int], typer.Option(help="Statuses to answer in turn; the last one stays.")] = [204],  # noqa: B006
    wait: Annotated[float, typer.Option(help="Seconds to wait before each answer.", min=0)] = 0,
    retry_after: Annotated[int | None, typer.Option(help="Seconds to ask for in failures.", min=0)] = None,
    as_json: AsJson = False,
) -> None:
    """Listen as a subscriber does: show what arrives and whether its signature holds, until interrupted."""
    from services.cli.listen import Behaviour, ReceivedRequest, in_words, receiver  # noqa: PLC0415 - see above

    def show(request: ReceivedRequest) -> None:
        told = {**asdict(request), "at": request.at.isoformat()}
        typer.echo(json.dumps(told, ensure_ascii=False) if as_json else in_words(request))

    try:
        server = receiver(host, port, secret, Behaviour(tuple(answer), wait, retry_after), show)
    except (OSError, ValueError) as error:
        fail(f"cannot listen: {error}")
    console.print(f"listening on http://{host}:{server.server_port}/ (Ctrl-C stops)")
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            console.print("stopped")


@app.command()
def replay(
    subscription: Annotated[str, typer.Argument(help="Whose deliveries.")],
    *,
    since: Annotated[datetime | None, typer.Option(help="Events from this moment on (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(help="Events before this moment (UTC).")] = None,
    only: Annotated[Literal["failed", "all"], typer.Option(help="What was given up, or all that matches.")] = "failed",
    url: Url = LOCAL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Have deliveries made again, under the ids they had; the work goes on though this command is interrupted."""
    window = {name: f"{moment.isoformat()}Z" for name, moment in (("since", since), ("until", until)) if moment}
    with client_of(url, key) as client:
        answer = client.post(f"/v1/subscriptions/{subscription}/replay", json={"only": only, **window})
        job = answer_of(answer)
        with _progress(quiet=as_json) as progress:
            task = progress.add_task("replaying", total=1.0)
            while job["state"] != "done":
                time.sleep(_LOOK_EVERY_SECONDS)
                job = answer_of(client.get(answer.headers["Location"]))
                progress.update(task, completed=job["progress"])
    print_answer(job, f"{job['deliveries']} deliveries were enqueued again", as_json=as_json)


def _progress(*, quiet: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    return Progress(*columns, console=console, disable=quiet)
