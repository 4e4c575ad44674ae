"""All three services in one process on one port, over an embedded server: for a first look and for development."""

import asyncio
import contextlib
import json
import os
import secrets
import socket
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import uvloop
from fastapi import FastAPI
from pydantic import SecretStr
from rich.console import Console
from starlette.types import ASGIApp, Receive, Scope, Send

from services.dev.embedded_store import embedded_redis
from services.dev.example import EXAMPLE, publish_example
from services.ingest import app as ingest
from services.notify import app as notify
from services.render import app as render
from shared.http.server import http_server, stop_signals
from shared.model.errors import ClarionError
from shared.model.site_file import load_site
from shared.runtime.background import background
from shared.runtime.logs import configure_logs
from shared.runtime.settings import Settings
from shared.runtime.tracing import exporting

_NOTIFY_PATHS = ("/v1/subscriptions", "/v1/deliveries", "/v1/events", "/hub", "/rsscloud", "/console")
_RENDER_PATHS = ("/v1/search",)
_INGEST_PATHS = ("/v1/", "/docs", "/openapi.json")
_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

console = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class DevOptions:
    """The options of `clarion dev`."""

    host: str
    port: int
    data: Path | None
    site: Path | None
    empty: bool


@dataclass(frozen=True)
class PathRouter:
    """Passes a request on to the service that its path belongs to, as nginx does in front of three."""

    ingest: FastAPI
    render: FastAPI
    notify: FastAPI

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._service(scope["path"])(scope, receive, send)

    def _service(self, path: str) -> ASGIApp:
        if path.startswith(_NOTIFY_PATHS):
            return self.notify
        if path.startswith(_RENDER_PATHS):
            return self.render
        if path.startswith(_INGEST_PATHS):
            return self.ingest
        return self.render


@contextlib.asynccontextmanager
async def clarion_running(settings: Settings) -> AsyncIterator[PathRouter]:
    """Start the three services in this process and yield their common application."""
    async with (
        ingest.running(settings) as ingest_app,
        render.running(settings) as render_app,
        notify.running(settings) as notify_app,
    ):
        yield PathRouter(ingest_app, render_app, notify_app)


def run(options: DevOptions) -> int:
    """Run everything until SIGINT or SIGTERM; return the exit code."""
    configure_logs("console" if os.isatty(2) else "json")
    with contextlib.ExitStack() as stack:
        data = options.data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clarion-")))
        try:
            _refuse_taken_port(options)
            server = stack.enter_context(embedded_redis(data / "store"))
            settings = dev_settings(options, data, server.url)
            stack.enter_context(exporting("clarion-dev"))
            uvloop.run(_until_stopped(settings, options))
        except (ClarionError, OSError) as error:
            console.print(f"[red]clarion dev cannot start:[/] {error}")
            return 1
    return 0


def dev_settings(options: DevOptions, data: Path, redis_url: str) -> Settings:
    """Return the settings of the environment; a setting that is not there gets a value that suits one machine."""
    kept = _kept_secrets(data)
    defaults: dict[str, Any] = {  # Any: the settings' own types
        "base_url": f"http://{_authority(options)}",
        "bootstrap_key": SecretStr(kept["bootstrap_key"]),
        "secrets_key": SecretStr(kept["secrets_key"]),
        "egress_allow": _LOOPBACK,
        "site_file": EXAMPLE / "site.toml",
        "output_dir": data / "output",
    }
    chosen = {name: value for name, value in defaults.items() if f"CLARION_{name.upper()}" not in os.environ}
    if options.site is not None:
        chosen["site_file"] = options.site
    return Settings(redis_url=redis_url, host=options.host, port=options.port, **chosen)


def _kept_secrets(data: Path) -> dict[str, str]:
    """Return the keys of this data folder; make them at its first use."""
    data.mkdir(parents=True, exist_ok=True)
    file = data / "secrets.json"
    if not file.exists():
        made = {"bootstrap_key": "dev_" + secrets.token_urlsafe(32), "secrets_key": secrets.token_urlsafe(32)}
        file.touch(mode=0o600)
        file.write_text(json.dumps(made))
    kept: dict[str, str] = json.loads(file.read_text())
    return kept


def _authority(options: DevOptions) -> str:
    host = f"[{options.host}]" if ":" in options.host else options.host
    return f"{host}:{options.port}"


def _refuse_taken_port(options: DevOptions) -> None:
    """Raise OSError before anything is started, not after."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    with socket.create_server((options.host, options.port), family=family):
        pass


async def _until_stopped(settings: Settings, options: DevOptions) -> None:
    with stop_signals() as stop:
        async with (
            clarion_running(settings) as app,
            http_server(app, settings.host, settings.port, app.notify.state.stopping),
            background(_greet(settings, options)),
        ):
            await stop.wait()
    console.print("stopped")


async def _greet(settings: Settings, options: DevOptions) -> None:
    """Publish the example newsroom; print the addresses and the key as soon as the site can be read."""
    base = settings.base_url
    key = settings.bootstrap_key.get_secret_value() if settings.bootstrap_key else ""
    site = load_site(settings.site_file)
    local = f"http://{_authority(options)}"
    async with httpx.AsyncClient(base_url=local, headers={"Authorization": f"Bearer {key}"}, timeout=30) as client:
        published = 0 if options.empty else await publish_example(client)
        await _until_readable(client)
    if published:
        console.print(f"published {published} items of the example newsroom")
    console.print(
        f"""
[bold]Clarion is running[/]

  site           {base}/
  documentation  {base}/docs
  console        {base}/console
  key            {key}

Publish an item:

  curl -X PUT {base}/v1/items/press/hello \\
    -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\
    -d '{{"lang": "{site.languages[0]}", "section": "{site.sections[0].path}", "title": "Hello", "body": "It works."}}'

Callbacks may reach this machine ({", ".join(map(str, settings.egress_allow))}); `clarion serve` does not allow that.
Ctrl-C stops everything.""",
        soft_wrap=True,
    )


async def _until_readable(client: httpx.AsyncClient) -> None:
    while (await client.get("/", follow_redirects=True)).status_code != httpx.codes.OK:  # noqa: ASYNC110 - over HTTP
        await asyncio.sleep(0.05)
