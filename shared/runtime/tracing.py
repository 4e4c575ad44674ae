"""
OpenTelemetry traces: one from a request through both streams to each attempt of a delivery.

Events carry the id of their trace and nothing of its spans. The span of a step has an id that is made of what the step
is about: so the next one, in another service and perhaps hours later, knows its parent without being told. Nothing is
done, and nothing imported, unless OTEL_EXPORTER_OTLP_ENDPOINT says where traces go.
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
# What the last spans get to leave when a service stops.
_FAREWELL_SECONDS = 1

_export: "TraceExport | None" = None


@contextlib.contextmanager
def exporting(service: str) -> Iterator[None]:
    """Send traces while the block runs, where the environment says where to."""
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
    Note a step that is over by now.

    `after` is the step that it follows; None where a request led here that is being answered, or only time.
    `is_request` says that somebody else was asked to do something, `error` names what went wrong.
    """
    if _export is not None:
        _export.record(step, trace_id, began_ns, after, attributes, is_request=is_request, error=error)


def is_on() -> bool:
    """Whether anybody traces."""
    return _export is not None


def current_trace_id() -> str | None:
    """Return the id of the trace that the request in hand belongs to, or None where nobody traces."""
    return _export.current_trace_id() if _export is not None else None
