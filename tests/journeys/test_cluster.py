"""A Redis Cluster under Clarion: the same journey, the same promises, and a failover takes back nothing."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from services.ingest.publishing.durability import WeakStore, require_durable_store
from shared.store import keys
from shared.store.keys import Shard
from shared.store.redis_client import connect
from tests.clarion import Clarion, running_clarion
from tests.embedded_cluster import EmbeddedCluster
from tests.factories import ADMIN_KEY, SECRETS_KEY, an_item, some_settings
from tests.journeys.processes import ROOT, a_client, answers, clarion_process, subscribed, until_readable
from tests.journeys.test_crashes import STEPS
from tests.receiver import Receiver, a_receiver
from tests.waiting import eventually

WRITERS = 4
BEFORE_THE_KILL = 40
AFTER_THE_KILL = 80


@pytest.fixture
async def clarion_on_cluster(tmp_path: Path, cluster: EmbeddedCluster, free_port: int) -> AsyncIterator[Clarion]:
    base_url = f"http://127.0.0.1:{free_port}"
    settings = some_settings(tmp_path, cluster.url, port=free_port, base_url=base_url, wait_replicas=1)
    async with running_clarion(settings) as running:
        yield running


async def test_on_a_cluster_an_item_becomes_a_page_and_a_verified_webhook(clarion_on_cluster: Clarion) -> None:
    clarion = clarion_on_cluster
    async with a_receiver() as receiver:
        subscription = await clarion.subscribe(receiver.url)

        receipt = await clarion.put("opening", an_item(title="The harbour opens", tags=["sea"]))

        (request,) = await receiver.received()
    body = request.verify(subscription["secret"])
    assert body["data"]["event_id"] == receipt["event_id"]
    for url in (receipt["url"], *body["data"]["feeds"]):
        assert "The harbour opens" in (await clarion.http.get(url)).text


async def test_on_a_cluster_the_numbers_are_read_from_every_master(clarion_on_cluster: Clarion) -> None:
    await clarion_on_cluster.page((await clarion_on_cluster.put("opening", an_item()))["url"])

    numbers = (await clarion_on_cluster.http.get("/metrics")).text.splitlines()

    assert "clarion_store_up 1.0" in numbers
    assert "clarion_store_replicas 1.0" in numbers
    assert 'clarion_stream_lag{group="notify",stream="pages"} 0.0' in numbers


async def test_one_weak_master_makes_a_weak_store(tmp_path: Path, cluster: EmbeddedCluster) -> None:
    settings = some_settings(tmp_path, cluster.url)
    async with aclosing(connect(cluster.url)) as redis, aclosing(connect(cluster.master_of("{d0}").url)) as master:
        await require_durable_store(redis, settings)

        await master.config_set("appendfsync", "everysec")
        try:
            with pytest.raises(WeakStore, match="appendfsync is everysec"):
                await require_durable_store(redis, settings)
        finally:
            await master.config_set("appendfsync", "always")


@pytest.mark.long
@pytest.mark.parametrize("step", STEPS)
async def test_on_a_cluster_a_crash_at_any_step_loses_nothing(
    step: str, tmp_path: Path, cluster: EmbeddedCluster, free_port: int
) -> None:
    store = {"CLARION_REDIS_URL": cluster.url}
    async with a_receiver() as receiver, a_client(free_port) as client:
        async with clarion_process(tmp_path, free_port, step, **store) as doomed:
            await eventually(lambda: answers(client, "/healthz"), "the start before the crash")
            secret = await subscribed(client, receiver)
            with contextlib.suppress(httpx.TransportError):
                await client.put("/v1/items/press/opening", json=an_item(title="The harbour opens"))
            async with asyncio.timeout(30):
                assert await doomed.wait() == -9, "the step was never reached"

        async with clarion_process(tmp_path, free_port, **store):
            await eventually(lambda: answers(client, "/healthz"), "the start after the crash")
            receipt = (await client.put("/v1/items/press/opening", json=an_item(title="The harbour opens"))).json()
            await until_readable(client, receipt)
            await receiver.received()

    assert receipt["revision"] == 1
    assert len(receiver.requests) <= 2
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    for request in receiver.requests:
        request.verify(secret)


@dataclass
class Upstream:
    """Several writers, each with one item after the other, who note what was promised to them."""

    client: httpx.AsyncClient
    accepted: dict[str, str] = field(default_factory=dict)
    """External id to the id of the event that was promised."""
    refused: int = 0
    _sent: int = 0

    async def write(self, until: int) -> None:
        """Go on until so many items are accepted."""
        async with asyncio.timeout(60):
            await asyncio.gather(*(self._write(until) for _ in range(WRITERS)))

    async def _write(self, until: int) -> None:
        while len(self.accepted) < until:
            self._sent += 1
            name = f"item-{self._sent}"
            with contextlib.suppress(httpx.TransportError):
                response = await self.client.put(f"/v1/items/press/{name}", json=an_item(title=f"Title of {name}"))
                if response.is_success:
                    self.accepted[name] = response.json()["event_id"]
                else:
                    assert response.status_code == httpx.codes.SERVICE_UNAVAILABLE, response.text
                    self.refused += 1

    async def events(self) -> list[str]:
        """Return the ids of all events of the public log."""
        found: list[str] = []
        place: dict[str, str] = {}
        while True:
            page = (await self.client.get("/v1/events", params=place)).json()
            if not page["events"]:
                return found
            found += [event["data"]["event_id"] for event in page["events"]]
            place = {"after": page["next"]}


@pytest.mark.long
@pytest.mark.parametrize(
    ("key", "hinders_writers"),
    [
        pytest.param(keys.ITEMS_STREAM, True, id="the content's master"),
        pytest.param(Shard(0).cursor, False, id="a master of deliveries"),
    ],
)
async def test_what_was_accepted_outlives_the_death_of_a_master(
    *, key: str, hinders_writers: bool, tmp_path: Path, cluster: EmbeddedCluster, free_port: int
) -> None:
    store = {"CLARION_REDIS_URL": cluster.url, "CLARION_WAIT_REPLICAS": "1"}
    async with (
        a_receiver() as receiver,
        a_client(free_port) as client,
        clarion_process(tmp_path, free_port, **store),
    ):
        await eventually(lambda: answers(client, "/healthz"), "the start")
        secret = await subscribed(client, receiver)
        upstream = Upstream(client)
        await upstream.write(until=BEFORE_THE_KILL)

        died = cluster.master_of(key)
        died.kill()
        restarting = asyncio.create_task(_restarted_after_failover(cluster, key, died.pid))
        await upstream.write(until=BEFORE_THE_KILL + AFTER_THE_KILL)
        await restarting

        assert (upstream.refused > 0) == hinders_writers
        promised = set(upstream.accepted.values())
        await eventually(lambda: promised <= _told(receiver), "a webhook for each event that was promised")
        for name in upstream.accepted:
            item = (await client.get(f"/v1/items/press/{name}")).json()
            assert f"Title of {name}" in (await client.get(item["url"])).text
        events = await upstream.events()
        assert promised <= set(events)
        assert len(events) == len(set(events))
        await _assert_site_is_what_a_rebuild_writes(tmp_path, cluster.url, free_port)
    for request in receiver.requests:
        request.verify(secret)


async def _restarted_after_failover(cluster: EmbeddedCluster, key: str, died: int) -> None:
    """Start the dead server again, as its supervisor would, but not before its replica has taken over."""
    await eventually(lambda: cluster.master_of(key).pid != died, "the failover")
    for node in cluster.nodes:
        await asyncio.to_thread(node.start)
    await asyncio.to_thread(cluster.wait_until_whole)


def _told(receiver: Receiver) -> set[str]:
    return {json.loads(request.body)["data"]["event_id"] for request in receiver.requests}


async def _assert_site_is_what_a_rebuild_writes(data: Path, store: str, port: int) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from services.cli.app import main; main()", "verify"),
        cwd=ROOT,
        env={
            **os.environ,
            "CLARION_REDIS_URL": store,
            "CLARION_SITE_FILE": str(data / "site.toml"),
            "CLARION_OUTPUT_DIR": str(data / "output"),
            "CLARION_BASE_URL": f"http://127.0.0.1:{port}",
            "CLARION_BOOTSTRAP_KEY": ADMIN_KEY,
            "CLARION_SECRETS_KEY": SECRETS_KEY,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    assert process.returncode == 0, told.decode()
