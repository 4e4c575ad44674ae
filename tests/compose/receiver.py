"""A subscriber's endpoint in a container of its own: keeps what it hears, and shows it to whoever asks."""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from urllib.parse import parse_qs, urlsplit

heard: list[dict[str, object]] = []
lock = Lock()


class RequestHandler(BaseHTTPRequestHandler):
    """`POST /NAME?seconds=1` is a delivery, answered after so long; `GET /NAME` lists what came under this name."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        address = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        time.sleep(float(parse_qs(address.query).get("seconds", ["0"])[0]))
        with lock:
            headers = {name.lower(): value for name, value in self.headers.items()}
            heard.append({"name": address.path, "headers": headers, "body": body.decode()})
        self._answer(204, b"")

    def do_GET(self) -> None:
        with lock:
            found = [one for one in heard if one["name"] == urlsplit(self.path).path]
        self._answer(200, json.dumps(found).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
        """Say nothing: the tests ask."""


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", 9000), RequestHandler).serve_forever()
