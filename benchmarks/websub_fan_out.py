"""
Measure WebSub on this machine: a thousand subscribers of one feed, and a burst of items.

Run it with `python benchmarks/websub_fan_out.py [subscribers]`: Clarion runs in a process of its own, as `clarion dev`
starts it (three services, one server with every write synced); this process is the subscribers and the newsroom.
"""

import asyncio
import os
import signal
import socket
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import uvloop
from aiohttp import web

KEY = "a-key-of-the-benchmark-that-is-long-enough"
AT_ONCE = 32
PATIENCE_SECONDS = 60
BODY = "The harbour opens on Monday, and everybody is invited. " * 12


@dataclass
class Sink:
    """Every subscriber at once: confirms at once, takes everything, notes when."""

    verified: dict[str, float] = field(default_factory=dict)
    notified: dict[str, list[tuple[float, bytes]]] = field(default_factory=lambda: defaultdict(list))

    async def verify(self, request: web.Request) -> web.Response:
        self.verified[request.path] = time.perf_counter()
        return web.Response(text=request.query["hub.challenge"])

    async def notify(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.notified[request.path].append((time.perf_counter(), body))
        return web.Response(status=204)


async def main(subscribers: int) -> None:
    sink = Sink()
    app = web.Application()
    app.router.add_get("/{callback}", sink.verify)
    app.router.add_post("/{callback}", sink.notify)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    callbacks = f"http://127.0.0.1:{runner.addresses[0][1]}"
    port = a_free_port()
    with tempfile.TemporaryDirectory() as data:
        process = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-c",
                "from services.cli.app import main; main()",
                "dev",
                "--empty",
                "--port",
                str(port),
                "--data",
                data,
            ),
            env={**os.environ, "CLARION_BOOTSTRAP_KEY": KEY, "PYTHONPATH": str(Path(__file__).parent.parent)},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            base = f"http://127.0.0.1:{port}"
            headers = {"Authorization": f"Bearer {KEY}"}
            async with aiohttp.ClientSession(base, headers=headers) as client:
                await measure(Stage(client, f"{base}/en/news/feed.atom", process.pid), sink, callbacks, subscribers)
        finally:
            process.send_signal(signal.SIGTERM)
            await process.wait()
            await runner.cleanup()


@dataclass
class Stage:
    """Clarion as it is measured."""

    client: aiohttp.ClientSession
    topic: str
    pid: int

    def cpu_seconds(self) -> float:
        """Return what Clarion's own process has used; on a machine that others use, it says more than the clock."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def feed(self) -> bytes:
        async with self.client.get(self.topic) as answer:
            return await answer.read()

    async def lists(self, name: str) -> bool:
        return f"{name}<".encode() in await self.feed()


async def measure(stage: Stage, sink: Sink, callbacks: str, subscribers: int) -> None:
    await until_ready(stage.client)
    for number in range(6):
        await put(stage.client, f"before-{number}")
    await until(lambda: stage.lists("before-5"))
    await subscribe_all(stage, sink, callbacks, subscribers)
    await asyncio.sleep(1)
    await publish_one(stage, sink, subscribers)
    await asyncio.sleep(3)
    await publish_many(stage, sink, subscribers)


async def subscribe_all(stage: Stage, sink: Sink, callbacks: str, subscribers: int) -> None:
    cpu, started = stage.cpu_seconds(), time.perf_counter()
    await in_parallel([subscribe(stage.client, stage.topic, f"{callbacks}/{number}") for number in range(subscribers)])
    accepted = time.perf_counter() - started
    await until(lambda: len(sink.verified) == subscribers)
    verified = max(sink.verified.values()) - started
    print(
        f"{subscribers} requests accepted in {accepted:.2f} s, verified in {verified:.2f} s; "
        f"Clarion used {stage.cpu_seconds() - cpu:.2f} s of CPU"
    )


async def publish_one(stage: Stage, sink: Sink, subscribers: int) -> None:
    cpu, started = stage.cpu_seconds(), time.perf_counter()
    await put(stage.client, "one")
    await until(lambda: len(sink.notified) == subscribers)
    moments = sorted(got[0][0] - started for got in sink.notified.values())
    size = len(next(iter(sink.notified.values()))[0][1])
    print(
        f"one publish, {size} bytes: first served after {moments[0]:.2f} s, last after {moments[-1]:.2f} s; "
        f"Clarion used {stage.cpu_seconds() - cpu:.2f} s of CPU"
    )


async def publish_many(stage: Stage, sink: Sink, subscribers: int) -> None:
    sink.notified.clear()
    started = time.perf_counter()
    await in_parallel([put(stage.client, f"burst-{number:02}") for number in range(50)])
    took = time.perf_counter() - started

    async def all_have_the_feed_as_it_is() -> bool:
        feed = await stage.feed()
        return len(sink.notified) == subscribers and all(got[-1][1] == feed for got in sink.notified.values())

    await asyncio.sleep(1)
    await until(all_have_the_feed_as_it_is)
    last = max(got[-1][0] for got in sink.notified.values()) - started
    await asyncio.sleep(3)
    counts = [len(got) for got in sink.notified.values()]
    feed = await stage.feed()
    listed = sum(f"burst-{number:02}<".encode() in feed for number in range(50))
    print(
        f"50 items in {took:.2f} s: {min(counts)} to {max(counts)} notifications each, "
        f"the last, with {listed} of the 50, after {last:.2f} s"
    )


async def subscribe(client: aiohttp.ClientSession, topic: str, callback: str) -> None:
    form = {"hub.mode": "subscribe", "hub.topic": topic, "hub.callback": callback, "hub.secret": "a secret"}
    async with client.post("/hub", data=form) as answer:
        assert answer.status == 202, await answer.text()


async def put(client: aiohttp.ClientSession, name: str) -> None:
    item = {"lang": "en", "section": "news", "title": f"The harbour opens, {name}", "body": BODY}
    async with client.put(f"/v1/items/press/{name}", json=item) as answer:
        assert answer.status == 201, await answer.text()


async def until_ready(client: aiohttp.ClientSession) -> None:
    async def is_ready() -> bool:
        try:
            async with client.get("/en/") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    await until(is_ready)


async def until(condition) -> None:  # noqa: ANN001 - a plain or an async condition
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            held = condition()
            if held is True or (not isinstance(held, bool) and await held):
                return
            await asyncio.sleep(0.005)


async def in_parallel(acts) -> None:  # noqa: ANN001 - coroutines
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(act) -> None:  # noqa: ANN001 - see above
        async with slots:
            await act

    await asyncio.gather(*map(one, acts))


def a_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
