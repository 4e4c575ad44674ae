"""
How much memory a batch of 10,000 lines costs ingest, and how long it takes: `python -m benchmarks.ingest_batch_memory`.

Fifty of the lines are bad, each body is 4 kB. The service runs in a process of its own; its memory is read from the
kernel while the batch is on its way, and must grow by less than 64 MiB.
"""

import asyncio
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path

import httpx

from services.dev.embedded_store import embedded_redis
from services.ingest import app
from shared.http.server import http_server
from shared.runtime.logs import configure_logs
from shared.runtime.settings import Settings
from tests.factories import ADMIN_KEY, an_item, some_settings
from tests.ports import a_free_port

LINES = 10_000
BAD_EVERY = 200
LIMIT_MIB = 64
_WARM_UP_LINES = 200


def main() -> int:
    """Measure, print, and return 1 where it is too much."""
    with tempfile.TemporaryDirectory() as folder, embedded_redis(Path(folder) / "store") as server:
        port = a_free_port()
        settings = some_settings(Path(folder), server.url, port=port, base_url=f"http://127.0.0.1:{port}")
        up, stop = multiprocessing.Event(), multiprocessing.Event()
        service = multiprocessing.Process(target=serve, args=(settings, up, stop))
        service.start()
        up.wait(30)
        try:
            return asyncio.run(measure(settings, service.pid or 0))
        finally:
            stop.set()
            service.join(15)


def serve(settings: Settings, up: Event, stop: Event) -> None:
    configure_logs()
    sys.stderr = Path("/dev/null").open("w")  # noqa: SIM115 - until the process ends

    async def run() -> None:
        async with app.running(settings) as application, http_server(application, settings.host, settings.port):
            up.set()
            await asyncio.to_thread(stop.wait)

    asyncio.run(run())


async def measure(settings: Settings, pid: int) -> int:
    headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "application/x-ndjson"}
    async with httpx.AsyncClient(base_url=settings.base_url, headers=headers, timeout=600) as client:
        await send(client, "warm", _WARM_UP_LINES)
        before = resident_mib(pid)
        reset_peak(pid)
        started = time.perf_counter()
        answers = await send(client, "batch", LINES)
        took = time.perf_counter() - started
    grown = peak_mib(pid) - before
    statuses = [answer["status"] for answer in answers]
    in_place = all(answer["line"] == number for number, answer in enumerate(answers, start=1))
    published, refused = statuses.count(201), statuses.count(422)
    print(f"{published} published, {refused} refused, in place: {in_place}; {took:.1f} s, {LINES / took:.0f} lines/s")
    print(f"resident before {before:.1f} MiB, peak grew by {grown:.1f} MiB (limit {LIMIT_MIB})")
    bad = LINES // BAD_EVERY
    return 0 if (published, refused, in_place) == (LINES - bad, bad, True) and grown < LIMIT_MIB else 1


async def send(client: httpx.AsyncClient, name: str, count: int) -> list[dict[str, int]]:
    content = b"".join(lines(name, count))
    response = await client.post("/v1/items/batch", content=content)
    response.raise_for_status()
    return [json.loads(line) for line in response.iter_lines()]


def lines(name: str, count: int) -> Iterator[bytes]:
    for number in range(1, count + 1):
        section = "nowhere" if number % BAD_EVERY == 0 else "news"
        item = an_item(title=f"{name} {number}", section=section, body=f"Line {number}. " + "All is quiet. " * 290)
        yield json.dumps({"source": "press", "external_id": f"{name}-{number}", **item}).encode() + b"\n"


def resident_mib(pid: int) -> float:
    return _status_mib(pid, "VmRSS")


def peak_mib(pid: int) -> float:
    return _status_mib(pid, "VmHWM")


def reset_peak(pid: int) -> None:
    """Make the kernel forget the highest it saw (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status_mib(pid: int, name: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    sys.exit(main())
