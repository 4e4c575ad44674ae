"""`clarion withdraw` and `clarion timeline`: end an item, and see how far it has come; over HTTP, from anywhere."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from services.cli.client import LOCAL, Key, Url, answer_of, client_of
from services.cli.output import AsJson, fail, print_answer

app = typer.Typer()

# Of a file's hash; --json has it whole.
_DIGITS_SHOWN = 12


@app.command()
def withdraw(
    item: Annotated[str, typer.Argument(metavar="SOURCE/EXTERNAL_ID")],
    *,
    to: Annotated[str | None, typer.Option(help="Send readers there: a path of the site or an address.")] = None,
    notice: Annotated[str | None, typer.Option(help="Keep the page, under this notice.")] = None,
    purge: Annotated[bool, typer.Option("--purge", help="Erase it everywhere; there is no way back.")] = False,
    url: Url = LOCAL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Withdraw an item: gone, unless readers are sent elsewhere or find a notice."""
    if to and notice:
        fail("choose one of --to and --notice")
    body = (
        {"mode": "redirect", "to": to} if to else {"mode": "notice", "notice": notice} if notice else {"mode": "gone"}
    )
    with client_of(url, key) as client:
        parameters = {"purge": "true"} if purge else {}
        answer = answer_of(client.request("DELETE", _path(item), json=body, params=parameters))
    if purge:
        done = "erased" if answer["erased"] else "withdrawn, and erased as soon as subscribers have been told"
        print_answer(answer, f"{item} is {done}", as_json=as_json)
    else:
        print_answer(answer, f"{item} is {answer['state']} at revision {answer['revision']}", as_json=as_json)


@app.command()
def timeline(
    item: Annotated[str, typer.Argument(metavar="SOURCE/EXTERNAL_ID")],
    *,
    revision: Annotated[int | None, typer.Option(help="That of the newest event, unless given.")] = None,
    url: Url = LOCAL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Say how far an item has come: accepted, rendered, visible, announced, delivered to n of m subscribers."""
    with client_of(url, key) as client:
        answer = answer_of(
            client.get(f"{_path(item)}/status", params={"revision": revision} if revision is not None else {})
        )
    head = f"{item}: {answer['state']}, revision {answer['accepted']['revision']}, {answer['url']}"
    print_answer(answer, "\n".join([head, *_steps(answer)]), as_json=as_json)


def _steps(answer: dict[str, Any]) -> Iterator[str]:  # Any: the answer's JSON
    yield f"  accepted   {answer['accepted']['at']}"
    if answer["unrenderable"]:
        yield f"  unrenderable: {answer['unrenderable']}"
    elif answer["forgotten"]:
        yield "  announced  longer ago than is remembered"
    else:
        for step in ("rendered", "visible", "announced"):
            yield f"  {step:<10} {answer[step]['at'] if answer[step] else 'not yet'}"
    delivered = answer["delivered"]
    if delivered:
        given_up = f", {delivered['given_up']} given up" if delivered["given_up"] else ""
        yield f"  delivered  {delivered['delivered']} of {delivered['of']}{given_up}"
    for file in answer["rendered"]["files"] if answer["rendered"] else ():
        yield f"  {(file['sha256'] or 'no file')[:_DIGITS_SHOWN]:<{_DIGITS_SHOWN}}  {file['path']}"


def _path(item: str) -> str:
    source, slash, external_id = item.partition("/")
    if not slash or not external_id:
        fail(f"name the item as SOURCE/EXTERNAL_ID, not {item}")
    return f"/v1/items/{source}/{external_id}"
