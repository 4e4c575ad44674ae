"""How commands call a running Clarion: over HTTP, with a key."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.output import fail

if TYPE_CHECKING:
    import httpx

LOCAL = "http://127.0.0.1:8000"
_TIMEOUT_SECONDS = 30

Url = Annotated[str, typer.Option("--url", envvar="CLARION_BASE_URL", help="Where Clarion answers.")]
Key = Annotated[str, typer.Option("--key", envvar=["CLARION_KEY", "CLARION_BOOTSTRAP_KEY"], help="An API key.")]


@contextmanager
def client_of(url: str, key: str) -> "Iterator[httpx.Client]":
    """Yield a client that sends this key; leave with exit code 1 where nobody answers."""
    import httpx  # noqa: PLC0415 - the commands that need none start faster without it

    if not key:
        fail("say who you are: --key, or CLARION_KEY in the environment")
    try:
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=_TIMEOUT_SECONDS) as client:
            yield client
    except httpx.TransportError as error:
        fail(f"{url} cannot be reached: {error}")


def answer_of(response: "httpx.Response") -> dict[str, Any]:  # Any: JSON
    """Return the answer, or leave with exit code 1 and every reason of the refusal."""
    if response.is_error:
        problem = response.json() if "json" in response.headers.get("content-type", "") else {}
        wrong = "".join(f"\n  {one['pointer']}: {one['detail']}" for one in problem.get("errors", ()))
        fail(str(problem.get("detail") or f"{response.status_code} {response.text[:500]}") + wrong)
    answer: dict[str, Any] = response.json()
    return answer
