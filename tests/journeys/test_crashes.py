"""Kill everything between any two steps of an item's journey: nothing accepted is lost, nobody hears it thrice."""

import asyncio
import contextlib
import shutil
from dataclasses import dataclass
from importlib import import_module
from operator import attrgetter
from pathlib import Path

import httpx
import pytest

from tests.factories import an_item
from tests.journeys.processes import a_client, answers, clarion_process, subscribed, until_readable
from tests.ports import a_free_port
from tests.receiver import a_receiver
from tests.waiting import eventually

# The steps, in the item's order: being killed at the entry of one is being killed at the end of the one before it.
STEPS = [
    "services.ingest.api.request_body:json_bytes",
    "services.ingest.publishing.publisher:Publisher.publish",
    "services.ingest.publishing.rules:publication",
    "shared.store.item_writer:ItemWriter.write",
    "services.ingest.publishing.publisher:Publisher.receipt",
    "services.render.pipeline.consumer:ItemEventConsumer.on_item_events",
    "services.render.pipeline.batch:BatchReader.read",
    "services.render.pipeline.showing:ItemShower.show",
    "services.render.pages.writer:PageWriter.put",
    "services.render.pipeline.show_script:ShowScript.show",
    "services.render.pages.writer:PageWriter.write_lists",
    "services.render.pages.lists:ListPages._feed_files",
    "services.render.pages.writer:PageWriter.remove_left",
    "services.render.pipeline.announcing:announced_event",
    "services.render.pipeline.announcing:Announcer.announce",
    "services.render.pipeline.consumer:_observe",
    "services.notify.delivery.log_consumer:LogConsumer.on_entries",
    "services.notify.delivery.shard_advance:ShardAdvance._write_plan",
    "services.notify.delivery.attempt:DeliveryAttempts.attempt",
    "services.notify.channels.webhook:WebhookChannel.send",
    "services.notify.delivery.attempt:DeliveryAttempts._count_time_of",
]


def test_every_step_names_a_function() -> None:
    for step in STEPS:
        module, _, name = step.partition(":")
        assert callable(attrgetter(name)(import_module(module)))


@dataclass(frozen=True)
class Prepared:
    """A stopped Clarion that has built its empty site and has one subscriber."""

    data: Path
    port: int
    receiver_port: int
    secret: str


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    data, port, receiver_port = tmp_path_factory.mktemp("prepared"), a_free_port(), a_free_port()

    async def prepare() -> Prepared:
        async with (
            a_receiver(port=receiver_port) as receiver,
            a_client(port) as client,
            clarion_process(data, port, "-"),
        ):
            await eventually((data / "output" / ".clarion" / "built").exists, "the first start")
            return Prepared(data, port, receiver_port, await subscribed(client, receiver))

    return asyncio.run(prepare())


@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_at_any_step_loses_nothing(step: str, tmp_path: Path, prepared: Prepared) -> None:
    data, port = tmp_path / "data", prepared.port
    shutil.copytree(prepared.data, data, symlinks=True)
    async with a_receiver(port=prepared.receiver_port) as receiver, a_client(port) as client:
        async with clarion_process(data, port, step) as doomed:
            await eventually(lambda: answers(client, "/healthz"), "the start before the crash")
            with contextlib.suppress(httpx.TransportError):
                await client.put("/v1/items/press/opening", json=an_item(title="The harbour opens"))
            async with asyncio.timeout(30):
                assert await doomed.wait() == -9, "the step was never reached"

        async with clarion_process(data, port, "-"):
            await eventually(lambda: answers(client, "/healthz"), "the start after the crash")
            receipt = (await client.put("/v1/items/press/opening", json=an_item(title="The harbour opens"))).json()
            await until_readable(client, receipt)
            await receiver.received()
            events = (await client.get("/v1/events")).json()["events"]

    assert receipt["revision"] == 1
    assert len(events) == 1
    assert len(receiver.requests) <= 2
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    for request in receiver.requests:
        request.verify(prepared.secret)
