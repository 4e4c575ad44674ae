"""All three services in one process on one port, over an embedded server: the first run, and every day's trying out."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from services.ingest import app as ingest
from services.notify import app as notify
from services.render import app as render
from shared.settings import Settings

log = structlog.get_logger()

EXAMPLE = Path(__file__).parent.parent / "examples" / "newsroom"

_NOTIFY_PATHS = ("/v1/subscriptions", "/v1/deliveries", "/v1/events", "/hub", "/console")
_INGEST_PATHS = ("/v1/", "/docs", "/openapi.json")


@dataclass(frozen=True)
class FrontDoor:
    """Passes a request on to the service that its path belongs to, as nginx does in front of three."""

    ingest: FastAPI
    render: FastAPI
    notify: FastAPI

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._service(scope["path"])(scope, receive, send)

    def _service(self, path: str) -> ASGIApp:
        if path.startswith(_NOTIFY_PATHS):
            return self.notify
        if path.startswith(_INGEST_PATHS):
            return self.ingest
        return self.render


@contextlib.asynccontextmanager
async def clarion_running(settings: Settings) -> AsyncIterator[FrontDoor]:
    """Start the three services in this process and yield their common application."""
    async with (
        ingest.running(settings) as ingest_app,
        render.running(settings) as render_app,
        notify.running(settings) as notify_app,
    ):
        yield FrontDoor(ingest_app, render_app, notify_app)
