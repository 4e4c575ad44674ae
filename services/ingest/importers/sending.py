"""Send the entries of a source to a running Clarion, many items a request, and count the answers."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

import httpx

from services.ingest.importers.base import ItemEntry, RefusedEntry, SkippedEntry, SourceEntry
from shared.model.errors import ClarionError

_ITEMS_A_REQUEST = 200
_TIMEOUT_SECONDS = 120
# The waits add up to 15.5 s (0.5 + 1 + 2 + 4 + 8 s): a service that restarts is back by then.
_MAX_TRIES = 6


@dataclass
class ImportReport:
    """How many items were created, revised or unchanged, and which entries were not taken in."""

    created: int = 0
    revised: int = 0
    unchanged: int = 0
    skipped: list[SkippedEntry] = field(default_factory=list)
    refused: list[RefusedEntry] = field(default_factory=list)

    @property
    def changed(self) -> int:
        return self.created + self.revised

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "changed": self.changed}


class SendingFailedError(ClarionError):
    """The service does not take items: it is away, or the key does not open it."""


def send(
    entries: Iterator[SourceEntry], client: httpx.Client, on_done: Callable[[int], None], *, dry_run: bool = False
) -> ImportReport:
    """Send every item, or with `dry_run` only ask what would come of each. Raises SendingFailedError."""
    report = ImportReport()
    while batch := list(islice(entries, _ITEMS_A_REQUEST)):
        items = [entry for entry in batch if isinstance(entry, ItemEntry)]
        report.refused += [entry for entry in batch if isinstance(entry, RefusedEntry)]
        report.skipped += [entry for entry in batch if isinstance(entry, SkippedEntry)]
        answers = _validated(items, client) if dry_run else _published(items, client)
        for item, (status, answer) in zip(items, answers, strict=True):
            _count(report, item, status, answer)
        on_done(len(batch))
    return report


Answer = tuple[int, dict[str, Any]]  # Any: a receipt or a problem


def _published(items: list[ItemEntry], client: httpx.Client) -> Iterator[Answer]:
    if not items:
        return
    lines = b"".join(_json(item) + b"\n" for item in items)
    response = _post(client, "/v1/items/batch", lines, "application/x-ndjson")
    answers = [json.loads(line) for line in response.iter_lines()]
    if response.status_code != httpx.codes.OK or len(answers) != len(items):
        raise SendingFailedError(f"the service answered {response.status_code}: {response.text[:500]}")
    for answer in answers:
        yield answer["status"], answer.get("problem", answer)


def _validated(items: list[ItemEntry], client: httpx.Client) -> Iterator[Answer]:
    for item in items:
        response = _post(client, "/v1/items/validate", _json(item), "application/json")
        status, answer = response.status_code, response.json()
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.NOT_FOUND):
            raise SendingFailedError(f"the service answered {status}: {response.text[:500]}")
        created = status == httpx.codes.OK and answer["changed"] and answer["revision"] == 1
        yield 201 if created else status, answer


def _post(client: httpx.Client, path: str, content: bytes, media_type: str) -> httpx.Response:
    """Return the answer; ask again where the service or its store is away, or the key has to wait."""
    for tries in range(_MAX_TRIES):
        wait = 0.5 * 2**tries
        try:
            response = client.post(
                path, content=content, headers={"Content-Type": media_type}, timeout=_TIMEOUT_SECONDS
            )
        except httpx.TransportError as error:
            reason = f"the service cannot be reached: {error}"
        else:
            if response.status_code not in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE):
                return response
            reason = f"the service answered {response.status_code}: {response.text[:500]}"
            wait = max(wait, float(response.headers.get("retry-after", "0")))
        if tries < _MAX_TRIES - 1:
            time.sleep(wait)
    raise SendingFailedError(reason)


def _json(item: ItemEntry) -> bytes:
    return json.dumps(item.item, ensure_ascii=False).encode()


def _count(report: ImportReport, item: ItemEntry, status: int, answer: dict[str, Any]) -> None:  # Any: see Answer
    if status == httpx.codes.CREATED:
        report.created += 1
    elif status == httpx.codes.OK:
        report.revised += bool(answer["changed"])
        report.unchanged += not answer["changed"]
    else:
        errors = "; ".join(f"{one['pointer']}: {one['detail']}" for one in answer.get("errors", []))
        name = f"{item.origin} ({item.item.get('external_id')})"
        report.refused.append(RefusedEntry(name, errors or str(answer.get("detail") or answer.get("title"))))
