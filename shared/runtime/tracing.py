"""
OpenTelemetry traces: one from a request through both streams to each attempt of a delivery.

Events carry the id of their trace, not of its spans. A span's id is a hash of the step and of what it is done to. So
the next step, in another service and perhaps hours later, can compute the id of its parent. Without
OTEL_EXPORTER_OTLP_ENDPOINT nothing is recorded, and OpenTelemetry is not imported.
"""

import contextlib
import importlib.util
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import structlog

from shared.runtime.trace_step import Attribute, Step

if TYPE_CHECKING:
    from shared.runtime.trace_export import TraceExport

log = structlog.get_logger()

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
# How long a stopping service waits for the last spans to be sent.
_FAREWELL_SECONDS = 1

_export: "TraceExport | None" = None


@contextlib.contextmanager
def exporting(service: str) -> Iterator[None]:
    """Send traces while the block runs, if the environment names a collector."""
    global _export  # noqa: PLW0603 - a process has one place for its traces, as it has for its logs
    if not any(os.environ.get(name) for name in ENDPOINTS):
        yield
        return
    if importlib.util.find_spec("opentelemetry.sdk") is None:
        log.error("tracing.off", reason="there is no exporter: pip install 'clarion[traces]'")
        yield
        return
    from shared.runtime.trace_export import TraceExport  # noqa: PLC0415 - slow to import, and there is no need without traces

    _export = TraceExport(service)
    try:
        yield
    finally:
        _export.close(_FAREWELL_SECONDS)
        _export = None


def record(
    step: Step,
    trace_id: str,
    began_ns: int,
    *,
    after: Step | None = None,
    is_request: bool = False,
    error: str | None = None,
    **attributes: Attribute,
) -> None:
    """
    Record a step that has ended.

    `after` is the step before it; None for the first step of a request, and of an embargo that has ended. `is_request`
    tells that the step is a request to another system; `error` names its failure.
    """
    if _export is not None:
        _export.record(step, trace_id, began_ns, after, attributes, is_request=is_request, error=error)


def is_on() -> bool:
    """Whether traces are exported."""
    return _export is not None


def current_trace_id() -> str | None:
    """Return the trace id of the current request, or None if traces are not exported."""
    return _export.current_trace_id() if _export is not None else None
