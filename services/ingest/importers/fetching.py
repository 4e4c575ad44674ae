"""Fetch a source from its address; after the first time only if it changed."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from services.ingest.importers.base import UnreadableSourceError

_TIMEOUT_SECONDS = 30
_MAX_BYTES = 50 * 1024 * 1024
_ACCEPT = "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, */*;q=0.5"


@dataclass(frozen=True)
class Validators:
    """What a server said of a file, for conditional requests."""

    etag: str | None = None
    modified: str | None = None

    def headers(self) -> dict[str, str]:
        known = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in known.items() if value}


@dataclass(frozen=True)
class FetchedFile:
    """What a server said of the file that it sent."""

    media_type: str
    validators: Validators


def fetch(url: str, known: Validators, file: Path) -> FetchedFile | None:
    """Write what is at the address into the file; return None where it did not change. Raises UnreadableSourceError."""
    import httpx  # noqa: PLC0415 - commands that fetch nothing start 50 ms faster

    headers = {"Accept": _ACCEPT, "User-Agent": "Clarion", **known.headers()}
    try:
        with (
            httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=_TIMEOUT_SECONDS) as response,
            file.open("wb") as content,
        ):
            if response.status_code == httpx.codes.NOT_MODIFIED:
                return None
            for chunk in response.raise_for_status().iter_bytes():
                content.write(chunk)
                if content.tell() > _MAX_BYTES:
                    raise UnreadableSourceError(f"{url} has more than {_MAX_BYTES} bytes")
    except httpx.HTTPError as error:
        raise UnreadableSourceError(str(error)) from error
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return FetchedFile(media_type, Validators(response.headers.get("etag"), response.headers.get("last-modified")))


class ValidatorFile:
    """The validators of every address, kept in a file between runs."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def of(self, url: str) -> Validators:
        kept = self._read().get(url, {})
        return Validators(kept.get("etag"), kept.get("modified"))

    def keep(self, url: str, validators: Validators) -> None:
        """Remember the validators; only when everything that came with them was taken in."""
        kept = {**self._read(), url: asdict(validators)}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        beside = self._file.with_suffix(".new")
        beside.write_text(json.dumps(kept, indent=1))
        beside.replace(self._file)

    def _read(self) -> dict[str, dict[str, str | None]]:
        try:
            kept: dict[str, dict[str, str | None]] = json.loads(self._file.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return kept
