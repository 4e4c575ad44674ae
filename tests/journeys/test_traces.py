"""One trace, from the request that brought an item to the requests that told of it."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from shared.http.server import http_server
from shared.runtime.trace_step import Step
from tests.factories import an_item
from tests.journeys.processes import a_client, answers, clarion_process, subscribed
from tests.receiver import a_receiver
from tests.waiting import eventually

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"


@dataclass
class Collector:
    """An OTLP collector over HTTP."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    services: set[str] = field(default_factory=set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        raw = gzip.decompress(body) if request.headers.get("content-encoding") == "gzip" else body
        for resource in ExportTraceServiceRequest.FromString(raw).resource_spans:
            self.services |= {
                one.value.string_value for one in resource.resource.attributes if one.key == "service.name"
            }
            for scope_spans in resource.scope_spans:
                self.spans += scope_spans.spans
        await Response(media_type="application/x-protobuf")(scope, receive, send)

    def way_to(self, span: Span) -> list[Span]:
        """Return the spans from the first one to this one, each the parent of the next."""
        parents = [one for one in self.spans if one.span_id == span.parent_span_id]
        return [*(self.way_to(parents[0]) if parents else []), span]

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


@contextlib.asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    collector = Collector()
    async with http_server(collector, "127.0.0.1", 0) as port:
        collector.url = f"http://127.0.0.1:{port}"
        yield collector


async def test_the_spans_of_an_items_way_hang_together(tmp_path: Path, free_port: int) -> None:
    async with a_receiver() as receiver, collecting() as collector, a_client(free_port) as client:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        async with clarion_process(tmp_path, free_port, **variables):
            await eventually(lambda: answers(client, "/healthz"), "the start")
            await subscribed(client, receiver)
            traceparent = f"00-{TRACE}-{CALLER}-01"

            response = await client.put("/v1/items/press/opening", json=an_item(), headers={"traceparent": traceparent})

            (told,) = await receiver.received()
            ends = ("notify.fan_out", "notify.attempt")
            await eventually(lambda: all(collector.named(name) for name in ends), "the last spans")

    (fanned_out,), (last,) = map(collector.named, ends)
    way = collector.way_to(last)
    assert {span.trace_id.hex() for span in way} == {TRACE}
    assert way[0].parent_span_id.hex() == CALLER
    assert way[0].name == "PUT /v1/items/{source}/{external_id}"
    assert [span.name for span in way[-4:]] == ["item.write", "render", "announce", "notify.attempt"]
    assert fanned_out.parent_span_id == last.parent_span_id
    assert last.kind == Span.SPAN_KIND_CLIENT
    assert way[-2].span_id.hex() == Step("announce", response.json()["event_id"]).span_id
    assert all(span.start_time_unix_nano < span.end_time_unix_nano for span in way)
    assert told.headers["traceparent"] == f"00-{TRACE}-{last.span_id.hex()}-01"
    assert collector.services == {"clarion-dev"}


async def test_reading_leaves_no_trace(tmp_path: Path, free_port: int) -> None:
    async with collecting() as collector, a_client(free_port) as client:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        async with clarion_process(tmp_path, free_port, **variables):
            await eventually(lambda: answers(client, "/healthz"), "the start")
            await client.get("/v1/items/press/opening?token=secret")
            events = await client.get("/v1/events")

            await client.put("/v1/items/press/opening", json=an_item())
            await eventually(lambda: bool(collector.named("announce")), "the last span")

    assert events.status_code == 200
    assert {span.name for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER} == {
        "PUT /v1/items/{source}/{external_id}"
    }


async def test_a_collector_that_hangs_keeps_nobody(tmp_path: Path, free_port: int) -> None:
    over = asyncio.Event()

    async def hang(_: Scope, __: Receive, ___: Send) -> None:
        await over.wait()

    async with (
        http_server(hang, "127.0.0.1", 0, over) as port,
        a_client(free_port) as client,
        clarion_process(tmp_path, free_port, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}") as process,
    ):
        await eventually(lambda: answers(client, "/healthz"), "the start")
        response = await client.put("/v1/items/press/opening", json=an_item())

        process.terminate()
        async with asyncio.timeout(10):
            exit_code = await process.wait()

    assert response.status_code == 201
    assert exit_code == 0


@pytest.mark.parametrize("of", ["a-1", "a-2"])
def test_a_step_has_one_span_whoever_asks(of: str) -> None:
    assert Step("render", of).span_id == Step("render", of).span_id
    assert Step("render", of).span_id != Step("announce", of).span_id
    assert len(bytes.fromhex(Step("render", of).span_id)) == 8
