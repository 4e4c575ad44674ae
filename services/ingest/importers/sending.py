"""Send what importers find to a running Clarion, many items a request, and count what came of it."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, assert_never

import httpx

from services.ingest.importers.base import Found, FoundItem, Skipped, Unreadable

_ITEMS_A_REQUEST = 200
_TIMEOUT_SECONDS = 120
# A service that restarts is back by then: 0.5 + 1 + 2 + 4 + 8 s.
_MOST_TRIES = 6


@dataclass(frozen=True)
class Refusal:
    """Something that was not taken in, and why."""

    origin: str
    reason: str


@dataclass
class Report:
    """What came of an import."""

    created: int = 0
    revised: int = 0
    unchanged: int = 0
    skipped: list[Refusal] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)

    @property
    def changed(self) -> int:
        return self.created + self.revised

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "changed": self.changed}


class SendingFailedError(Exception):
    """The service does not take what is sent: it is away, or the key does not open it."""


def send(
    found: Iterable[Found], client: httpx.Client, *, dry_run: bool = False, on_done: Callable[[int], None] | None = None
) -> Report:
    """
    Send every item and return what came of them; with `dry_run`, ask only what would.

    Raises SendingFailedError where the service cannot be asked at all.
    """
    report = Report()
    for some in _in_parts(found):
        items = []
        for one in some:
            match one:
                case FoundItem():
                    items.append(one)
                case Unreadable():
                    report.refused.append(Refusal(one.origin, one.reason))
                case Skipped():
                    report.skipped.append(Refusal(one.origin, one.reason))
                case _:
                    assert_never(one)
        answers = _validated(items, client) if dry_run else _published(items, client)
        for item, (status, answer) in zip(items, answers, strict=True):
            _count(report, item, status, answer)
        if on_done is not None:
            on_done(len(some))
    return report


def _in_parts(found: Iterable[Found]) -> Iterator[list[Found]]:
    everything = iter(found)
    while part := list(islice(everything, _ITEMS_A_REQUEST)):
        yield part


Answer = tuple[int, dict[str, Any]]  # Any: a receipt or a problem


def _published(items: list[FoundItem], client: httpx.Client) -> Iterator[Answer]:
    if not items:
        return
    lines = b"".join(_spelled(item) + b"\n" for item in items)
    headers = {"Content-Type": "application/x-ndjson"}
    response = _asked(lambda: client.post("/v1/items/batch", content=lines, headers=headers, timeout=_TIMEOUT_SECONDS))
    answered = [json.loads(line) for line in response.iter_lines()]
    if response.status_code != httpx.codes.OK or len(answered) != len(items):
        raise SendingFailedError(f"the service answered {response.status_code}: {response.text[:500]}")
    for one in answered:
        yield one["status"], one.get("problem", one)


def _validated(items: list[FoundItem], client: httpx.Client) -> Iterator[Answer]:
    for item in items:
        content, headers = _spelled(item), {"Content-Type": "application/json"}

        def ask(content: bytes = content, headers: dict[str, str] = headers) -> httpx.Response:
            return client.post("/v1/items/validate", content=content, headers=headers, timeout=_TIMEOUT_SECONDS)

        response = _asked(ask)
        status, answer = response.status_code, response.json()
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.NOT_FOUND):
            raise SendingFailedError(f"the service answered {status}: {response.text[:500]}")
        created = status == httpx.codes.OK and answer["changed"] and answer["revision"] == 1
        yield 201 if created else status, answer


def _asked(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """Return the answer; ask again where the service or its store is away, or the key must wait."""
    for tries in range(_MOST_TRIES):
        wait = 0.5 * 2**tries
        try:
            response = ask()
        except httpx.TransportError as error:
            reason = f"the service cannot be reached: {error}"
        else:
            if response.status_code not in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE):
                return response
            reason = f"the service answered {response.status_code}: {response.text[:500]}"
            wait = max(wait, float(response.headers.get("retry-after", "0")))
        if tries < _MOST_TRIES - 1:
            time.sleep(wait)
    raise SendingFailedError(reason)


def _spelled(item: FoundItem) -> bytes:
    return json.dumps(item.item, ensure_ascii=False).encode()


def _count(report: Report, item: FoundItem, status: int, answer: dict[str, Any]) -> None:  # Any: see Answer
    if status == httpx.codes.CREATED:
        report.created += 1
    elif status == httpx.codes.OK:
        report.revised += bool(answer["changed"])
        report.unchanged += not answer["changed"]
    else:
        errors = "; ".join(f"{one['pointer']}: {one['detail']}" for one in answer.get("errors", []))
        name = f"{item.origin} ({item.item.get('external_id')})"
        report.refused.append(Refusal(name, errors or str(answer.get("detail") or answer.get("title"))))
