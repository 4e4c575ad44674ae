"""
How many deliveries a second one notify process makes, beside the bare client doing the same POSTs in the same run.

    python -m benchmarks.notify_throughput [--deliveries 20000] [--rounds 3] [--memory 200000]

Payload 1.5 kB, 64 in flight, signing on; to one endpoint with kept connections, and to 1,000 distinct ones (addresses
127.0.1.0 to 127.0.4.231). The endpoints are one process of their own, the store is another; engine and bare clients
take turns in this one, so that whatever else the machine does hits all. The ratio is to aiohttp; what our own
connections do without an engine stands beside it.
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import aiohttp
import structlog
import uvloop
from pydantic import SecretStr
from redis.asyncio import Redis
from redis.typing import EncodableT
from yarl import URL

from services.dev.embedded_store import embedded_redis
from services.notify.channels.signing import new_secret, signature_header, signing_key
from services.notify.engine import running_engine
from services.notify.model.subscription import SealedSecret, Subscription
from services.notify.subscriptions.secret_box import SecretBox
from services.notify.subscriptions.store import SubscriptionStore, settle_shard_count
from shared.egress.egress import open_egress
from shared.http.server import collect_garbage_seldom
from shared.model.events import AnnouncedEvent, webhook_body
from shared.model.ids import EventId, LogId, SubscriptionId, new_trace_id
from shared.runtime import metrics
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.redis_client import connect

IN_FLIGHT = 64
PAYLOAD_BYTES = 1500
SECRETS_KEY = "a key of the benchmark, thrown away with it"
SINK = """
import asyncio, sys, uvloop
from tests.notify.delivery.sink import Reply, a_sink
async def main():
    async with a_sink(lambda path, webhook_id: Reply(), "0.0.0.0") as url:
        print(url, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
uvloop.run(main())
"""


@dataclass(frozen=True)
class Rates:
    """Deliveries a second: aiohttp alone, our connections alone, and the whole engine."""

    bare: "Rate"
    own: "Rate"
    engine: "Rate"

    @property
    def ratio(self) -> float:
        return self.engine.per_second / self.bare.per_second


@dataclass(frozen=True)
class Rate:
    """How fast one of them was, with the microseconds of this process's CPU that each delivery took."""

    per_second: float
    cpu_us: float

    @classmethod
    def since(cls, began: float, spent: float, deliveries: int) -> "Rate":
        """Return the rate since a moment of `perf_counter` and one of `process_time`."""
        cpu = time.process_time() - spent
        return cls(deliveries / (time.perf_counter() - began), cpu / deliveries * 1e6)

    def __str__(self) -> str:
        return f"{self.per_second:,.0f}/s ({self.cpu_us:.0f} us CPU each)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deliveries", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, default=0, help="measure memory over so many deliveries to one endpoint")
    asked = parser.parse_args()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(20),
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(open(os.devnull, "w")),  # noqa: PTH123, SIM115 - until the end
    )
    collect_garbage_seldom()  # as the service does
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, Python {sys.version.split()[0]}")
    with sink() as port:
        for name, endpoints in (("one endpoint", 1), ("1,000 endpoints", 1000)):
            rates = [uvloop.run(compare(port, endpoints, asked.deliveries)) for _ in range(asked.rounds)]
            show(name, rates)
        if asked.memory:
            uvloop.run(memory(port, asked.memory))
    print(f"load average {os.getloadavg()[0]:.1f}")


def show(name: str, rates: list[Rates]) -> None:
    for one in rates:
        print(f"{name}: engine {one.engine}, aiohttp {one.bare}, own connections {one.own}, ratio {one.ratio:.0%}")
    print(f"{name}: median ratio {statistics.median(one.ratio for one in rates):.0%}")


@contextlib.contextmanager
def sink() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", SINK], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline().decode().strip().rpartition(":")[2])
        process.kill()


async def compare(port: int, endpoints: int, deliveries: int) -> Rates:
    bare = await measured(lambda: bare_posts(port, endpoints, deliveries), deliveries)
    own = await measured(lambda: own_posts(port, endpoints, deliveries), deliveries)
    return Rates(bare, own, await engine_rate(port, endpoints, deliveries))


async def measured(work: Callable[[], Awaitable[None]], deliveries: int) -> Rate:
    began, spent = time.perf_counter(), time.process_time()
    await work()
    return Rate.since(began, spent, deliveries)


def urls(port: int, endpoints: int) -> list[str]:
    return [f"http://127.0.{1 + number // 256}.{number % 256}:{port}/hook" for number in range(endpoints)]


def an_event(number: int) -> AnnouncedEvent:
    now = datetime.now(UTC)
    item = {"id": "i", "lang": "en", "section": "news", "source": "press", "tags": [], "title": "t" * PAYLOAD_BYTES}
    whole = webhook_body("item.published.v1", now, {"event_id": f"e{number}", "item": item})
    title = item["title"][: 2 * PAYLOAD_BYTES - len(whole)]
    body = webhook_body("item.published.v1", now, {"event_id": f"e{number}", "item": {**item, "title": title}})
    return AnnouncedEvent(EventId(f"e{number}"), "item.published.v1", now.isoformat(), new_trace_id(), body, ())


async def bare_posts(port: int, endpoints: int, deliveries: int) -> None:
    """POST the same bodies with the same headers, and nothing else."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def post(url: str, headers: Mapping[str, str], body: bytes) -> None:
            async with session.post(url, data=body, headers=headers) as response:
                await response.read()

        await post_all(post, urls(port, endpoints), deliveries)


async def own_posts(port: int, endpoints: int, deliveries: int) -> None:
    """Do the same through the engine's door."""
    async with open_egress([ip_network("127.0.0.0/8")], timedelta(seconds=15)) as egress:

        async def post(url: str, headers: Mapping[str, str], body: bytes) -> None:
            await egress.post(URL(url), headers, body)

        await post_all(post, urls(port, endpoints), deliveries)


async def post_all(
    post: Callable[[str, Mapping[str, str], bytes], Awaitable[None]], targets: Sequence[str], deliveries: int
) -> None:
    body = an_event(0).body.encode()
    key = signing_key(new_secret())
    jobs = iter(range(deliveries))

    async def work() -> None:
        for job in jobs:
            webhook_id, now = f"e{job}-sub000", int(time.time())
            headers = {
                "User-Agent": "bare",
                "Content-Type": "application/json",
                "webhook-id": webhook_id,
                "webhook-timestamp": str(now),
                "webhook-signature": signature_header([key], webhook_id, now, body),
                "traceparent": f"00-{new_trace_id()}-{'0' * 15}1-01",
            }
            await post(targets[job % len(targets)], headers, body)

    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))


async def engine_rate(port: int, endpoints: int, deliveries: int) -> Rate:
    """
    Announce, and time the engine: fan-out, leases, attempts, settling, history and all.

    The clock starts after a tenth: until then it opens connections and finds out what the endpoints have to bear.
    """
    async with a_store() as (redis, settings):
        await prepare(redis, settings, urls(port, endpoints), deliveries // endpoints)
        before = delivered()

        async with running_engine(redis, settings, asyncio.Event()):
            await many_delivered(before + deliveries // 10)
            warm, began, spent = delivered(), time.perf_counter(), time.process_time()
            await many_delivered(before + deliveries)
            return Rate.since(began, spent, before + deliveries - warm)


async def many_delivered(count: int) -> None:
    while delivered() < count:  # noqa: ASYNC110 - a counter has no event
        await asyncio.sleep(0.005)


async def memory(port: int, deliveries: int) -> None:
    """Print what the process holds as deliveries go by."""
    async with a_store() as (redis, settings):
        await prepare(redis, settings, urls(port, 1), 1000)
        before, announced = delivered(), 1000
        async with running_engine(redis, settings, asyncio.Event()):
            for mark in range(deliveries // 10, deliveries + 1, deliveries // 10):
                while delivered() - before < mark:
                    if announced - (delivered() - before) < 1000 and announced < deliveries:
                        await announce(redis, range(announced, announced + 1000))
                        announced += 1000
                    await asyncio.sleep(0.01)
                print(f"after {mark:,} deliveries: {resident_mb():.0f} MB")


@contextlib.asynccontextmanager
async def a_store() -> AsyncIterator[tuple[Redis, Settings]]:
    with tempfile.TemporaryDirectory() as folder, embedded_redis(Path(folder)) as server:
        settings = Settings(
            redis_url=server.url,
            output_dir=Path(folder),
            secrets_key=SecretStr(SECRETS_KEY),
            egress_allow="127.0.0.0/8",  # type: ignore[arg-type]  # a string is parsed
        )
        async with contextlib.aclosing(connect(server.url)) as redis:
            yield redis, settings


async def prepare(redis: Redis, settings: Settings, targets: list[str], events: int) -> None:
    store = SubscriptionStore(redis, await settle_shard_count(redis, settings.shards))
    box, now = SecretBox(settings.secrets_key), datetime.now(UTC)
    for number, url in enumerate(targets):
        name = SubscriptionId(f"sub{number:04}")
        secret = SealedSecret(sealed=box.seal(new_secret(), name))
        one = Subscription(
            id=name, owner="b", url=url, secrets=(secret,), created_at=now, since=LogId("0-0"), state_since=now
        )
        await store.add(one)
    await announce(redis, range(events))


async def announce(redis: Redis, numbers: range) -> None:
    pipeline = redis.pipeline(transaction=False)
    for number in numbers:
        fields: dict[EncodableT, EncodableT] = dict(an_event(number).to_fields().items())
        pipeline.xadd(keys.PAGES_STREAM, fields)
    await pipeline.execute()


def delivered() -> int:
    return int(metrics.deliveries_total.labels(outcome="delivered", reason="")._value.get())  # noqa: SLF001 - its number


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
