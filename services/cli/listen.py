"""A subscriber's endpoint to try with: shows what arrives, and tells whether its signature holds."""

import hmac
import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from services.cli.websub import is_signed
from services.notify.channels.signing import ASYMMETRIC_PREFIX, SYMMETRIC_PREFIX, signing_key

# As the libraries of Standard Webhooks: an older request may be somebody's recording.
_TOLERANCE_SECONDS = 300
PREFIXES = (SYMMETRIC_PREFIX, ASYMMETRIC_PREFIX)


@dataclass(frozen=True)
class ReceivedRequest:
    """A request as it came, whether its signature holds, and the status that it was answered with."""

    at: datetime
    method: str
    path: str
    headers: Mapping[str, str]
    body: str
    verified: bool | None
    """None without a secret to check with."""
    answered: int


@dataclass(frozen=True)
class Behaviour:
    """How to answer: with these statuses one after the other, the last of them from then on."""

    statuses: Sequence[int] = (204,)
    wait_seconds: float = 0.0
    retry_after: int | None = None


def verify(secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Whether one of the secrets made one of the signatures, within the tolerance of time."""
    webhook_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isascii() or not timestamp.isdigit() or abs(now - int(timestamp)) > _TOLERANCE_SECONDS:
        return False
    content = f"{webhook_id}.{timestamp}.".encode() + body
    # Others are of WebSub, where any text is a secret.
    expected = [signing_key(secret).sign(content) for secret in secrets if secret.startswith(PREFIXES)]
    given = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(ours, theirs) for ours in expected for theirs in given)


def receiver(
    host: str, port: int, secrets: Sequence[str], behaviour: Behaviour, on_arrival: Callable[[ReceivedRequest], None]
) -> ThreadingHTTPServer:
    """Return a server that listens; `serve_forever` makes it answer."""
    statuses = itertools.chain(behaviour.statuses, itertools.repeat(behaviour.statuses[-1]))

    class Handler(_Handler):
        pass

    Handler.secrets, Handler.behaviour = tuple(secrets), behaviour
    Handler.statuses, Handler.on_arrival = statuses, staticmethod(on_arrival)
    return ThreadingHTTPServer((host, port), Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    secrets: tuple[str, ...] = ()
    behaviour = Behaviour()
    statuses: Iterator[int] = iter(())
    on_arrival: Callable[[ReceivedRequest], None]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        verified = self._is_verified(headers, body) if self.secrets else None
        time.sleep(self.behaviour.wait_seconds)
        status = next(self.statuses)
        self._answer(status, b"")
        text = body.decode("utf-8", "replace")
        self.on_arrival(ReceivedRequest(datetime.now(UTC), "POST", self.path, headers, text, verified, status))

    def _is_verified(self, headers: Mapping[str, str], body: bytes) -> bool:
        if "x-hub-signature" in headers:
            return is_signed(self.secrets, headers, body)
        return verify(self.secrets, headers, body, time.time())

    def do_GET(self) -> None:
        # A WebSub hub asks whether we meant it; so does rssCloud, in other words.
        asked = parse_qs(urlsplit(self.path).query)
        challenge = next((asked[name][0] for name in ("hub.challenge", "challenge") if name in asked), "")
        status = 200 if challenge else 404
        self._answer(status, challenge.encode())
        self.on_arrival(ReceivedRequest(datetime.now(UTC), "GET", self.path, {}, "", None, status))

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if self.behaviour.retry_after is not None and status >= 400:
            self.send_header("Retry-After", str(self.behaviour.retry_after))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing: what arrives is shown in our own words."""


def in_words(request: ReceivedRequest) -> str:
    """Return a request as a person reads it."""
    signed = {True: "signature holds", False: "SIGNATURE DOES NOT HOLD", None: "signature not checked"}
    lines = [f"{request.at:%H:%M:%S}  {request.method} {request.path}  answered {request.answered}"]
    if request.method == "POST":
        named = request.headers.get("webhook-id") or request.headers.get("link") or "no webhook-id"
        lines.append(f"  {named}  {signed[request.verified]}")
        lines.append(_indented(request.body))
    return "\n".join(lines)


def _indented(body: str) -> str:
    try:
        body = json.dumps(json.loads(body), ensure_ascii=False, indent=2)
    except ValueError:
        body = body[:2000]
    return "\n".join(f"  {line}" for line in body.splitlines())
