"""The OpenTelemetry SDK, set up for spans whose ids are chosen."""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)
from opentelemetry.util.types import Attributes, AttributeValue

from shared.runtime.trace_step import Attribute, Step

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_chosen: ContextVar[tuple[int, int] | None] = ContextVar("_chosen", default=None)
"""The ids of the trace and of the span that is about to be made."""


class TraceExport:
    """Sends spans to the collector that the OTEL_* variables name, from a thread of its own."""

    def __init__(self, service: str) -> None:
        named = bool(os.environ.get("OTEL_SERVICE_NAME"))
        self._provider = TracerProvider(
            sampler=_WriteSampler(float(os.environ.get("OTEL_TRACES_SAMPLER_ARG") or 1)),
            resource=Resource.create({} if named else {"service.name": service}),
            id_generator=_ChosenIdGenerator(),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        # FastAPI makes the spans of requests by itself where there is a provider.
        trace.set_tracer_provider(self._provider)
        self._tracer = self._provider.get_tracer("clarion")

    def record(
        self,
        step: Step,
        trace_id: str,
        began_ns: int,
        after: Step | None,
        attributes: Mapping[str, Attribute],
        *,
        is_request: bool,
        error: str | None,
    ) -> None:
        with _ids_chosen(int(trace_id, 16), int(step.span_id, 16)):
            span = self._tracer.start_span(
                step.name,
                _parent(trace_id, after),
                SpanKind.CLIENT if is_request else SpanKind.INTERNAL,
                attributes,
                start_time=began_ns,
            )
        if error is not None:
            span.set_status(Status(StatusCode.ERROR, error))
        span.end()

    def current_trace_id(self) -> str | None:
        context = trace.get_current_span().get_span_context()
        return trace.format_trace_id(context.trace_id) if context.is_valid else None

    def close(self, seconds: float) -> None:
        """Send what is left; a collector that hangs must not keep the process."""
        last = threading.Thread(target=self._provider.shutdown, daemon=True)
        last.start()
        last.join(seconds)


def _parent(trace_id: str, after: Step | None) -> Context:
    if after is not None:
        known = SpanContext(
            int(trace_id, 16), int(after.span_id, 16), is_remote=True, trace_flags=TraceFlags.get_default()
        )
        return trace.set_span_in_context(NonRecordingSpan(known), Context())
    current = trace.get_current_span()
    if current.get_span_context().trace_id == int(trace_id, 16):
        return trace.set_span_in_context(current, Context())
    return Context()  # nobody asked: an embargo has ended


@contextmanager
def _ids_chosen(trace_id: int, span_id: int) -> Iterator[None]:
    token = _chosen.set((trace_id, span_id))
    try:
        yield
    finally:
        _chosen.reset(token)


class _ChosenIdGenerator(RandomIdGenerator):
    def generate_trace_id(self) -> int:
        chosen = _chosen.get()
        return chosen[0] if chosen else super().generate_trace_id()

    def generate_span_id(self) -> int:
        chosen = _chosen.get()
        return chosen[1] if chosen else super().generate_span_id()


class _WriteSampler(Sampler):
    """
    Keeps a share of the traces, the same in every service, because a trace's own id decides.

    Of requests only those that write are kept: addresses that are read may hold what opens a preview.
    """

    def __init__(self, share: float) -> None:
        self._share = TraceIdRatioBased(share)

    def should_sample(  # noqa: PLR0917 - as the SDK has it
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        parent = trace.get_current_span(parent_context).get_span_context()
        is_left_out = parent.is_valid and not parent.is_remote and not parent.trace_flags.sampled
        if is_left_out or (kind is SpanKind.SERVER and not _writes(attributes or {})):
            return SamplingResult(Decision.DROP)
        return self._share.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        return f"Writes{{{self._share.get_description()}}}"


def _writes(attributes: Mapping[str, AttributeValue]) -> bool:
    path = str(attributes.get("url.path", ""))
    return path.startswith("/v1/") and attributes.get("http.request.method") not in _READING
