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
            *(sys.executable, "-m", "services.cli", "dev", "--empty", "--port", str(port), "--data", data),
            env={**os.environ, "CLARION_BOOTSTRAP_KEY": KEY, "PYTHONPATH": str(Path(__file__).parent.parent)},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            base = f"http://127.0.0.1:{port}"
            headers = {"Authorization": f"Bearer {KEY}"}
            async with aiohttp.ClientSession(base, headers=headers) as client:
                await measure(client, sink, f"{base}/en/press-releases/feed.atom", callbacks, subscribers)
        finally:
            process.send_signal(signal.SIGTERM)
            await process.wait()
            await runner.cleanup()


async def measure(
    client: aiohttp.ClientSession, sink: Sink, topic: str, callbacks: str, subscribers: int
) -> None:
    await until_ready(client)
    for number in range(6):
        await put(client, f"before-{number}")
    await until(lambda: is_there(client, topic, "before-5"))
    # Warm: connections, scripts, imports.
    started = time.perf_counter()
    await in_parallel([subscribe(client, topic, f"{callbacks}/{number}") for number in range(subscribers)])
    accepted = time.perf_counter() - started
    await until(lambda: len(sink.verified) == subscribers)
    print(f"{subscribers} requests accepted in {accepted:.2f} s, verified in {max(sink.verified.values()) - started:.2f} s")
    await asyncio.sleep(1)

    started = time.perf_counter()
    await put(client, "one")
    await until(lambda: len(sink.notified) == subscribers)
    moments = sorted(one[0][0] - started for one in sink.notified.values())
    size = len(next(iter(sink.notified.values()))[0][1])
    print(f"one publish, {size} bytes: first served after {moments[0]:.2f} s, last after {moments[-1]:.2f} s")
    await asyncio.sleep(3)

    sink.notified.clear()
    started = time.perf_counter()
    await in_parallel([put(client, f"burst-{number:02}") for number in range(50)])
    took = time.perf_counter() - started
    wanted = [f"burst-{number:02}".encode() for number in range(50)]
    await until(lambda: sum(all(one in got[-1][1] for one in wanted) for got in sink.notified.values()) == subscribers)
    last = max(got[-1][0] for got in sink.notified.values()) - started
    await asyncio.sleep(3)
    counts = [len(got) for got in sink.notified.values()]
    print(
        f"50 items in {took:.2f} s: {min(counts)} to {max(counts)} notifications each, "
        f"the last with all 50 after {last:.2f} s"
    )


async def subscribe(client: aiohttp.ClientSession, topic: str, callback: str) -> None:
    form = {"hub.mode": "subscribe", "hub.topic": topic, "hub.callback": callback, "hub.secret": "a secret"}
    async with client.post("/hub", data=form) as answer:
        assert answer.status == 202, await answer.text()


async def put(client: aiohttp.ClientSession, name: str) -> None:
    item = {"lang": "en", "section": "press-releases", "title": f"The harbour opens, {name}", "body": BODY}
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


async def is_there(client: aiohttp.ClientSession, topic: str, text: str) -> bool:
    async with client.get(topic) as answer:
        return text in await answer.text()


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
