"""What every test may ask for: a real server, settings, and a whole Clarion on a free port."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from services.dev.embedded_store import embedded_redis, find_server
from shared.runtime.settings import Settings
from shared.store.redis_client import connect
from tests.clarion import Clarion, running_clarion
from tests.embedded_cluster import EmbeddedCluster, embedded_cluster
from tests.environment import set_environment
from tests.factories import some_settings
from tests.ingest_service import Ingest, running_ingest
from tests.ports import a_free_port
from tests.quick import is_quick

# The machines that run this are shared: how long one example takes says nothing.
hypothesis.settings.register_profile("clarion", deadline=None)
hypothesis.settings.load_profile("clarion")


def pytest_configure() -> None:
    set_environment()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Run one process more than there are cores: for a third of their time tests wait."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and is_quick(item):
            item.add_marker("quick")


def pytest_report_header() -> str:
    return f"store: {find_server(os.environ['PATH'])}"


@pytest.fixture(scope="session", autouse=True)
def plain_tracebacks() -> None:
    """Log exceptions in few words: pretty ones, with every frame's variables, take two seconds each."""
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.processors.add_log_level, console])


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One real server for the whole run."""
    with embedded_redis(tmp_path_factory.mktemp("store")) as server:
        yield server.url


@pytest.fixture
def store_url(request: pytest.FixtureRequest) -> str:
    """The address of a store with nothing in it: a single server, or a cluster where CLARION_TEST_STORE says so."""
    if os.environ.get("CLARION_TEST_STORE") == "cluster":
        cluster: EmbeddedCluster = request.getfixturevalue("cluster")
        return cluster.url
    url: str = request.getfixturevalue("server_url")
    with SyncRedis.from_url(url) as client:
        client.flushall()
    return url


@pytest.fixture
async def redis(store_url: str) -> AsyncIterator[Redis]:
    client = connect(store_url)
    yield client
    await client.aclose()


@pytest.fixture(scope="session")
def servers_of_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    """A cluster of real servers for the whole run."""
    with embedded_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(servers_of_cluster: EmbeddedCluster) -> EmbeddedCluster:
    """The cluster, whole and with nothing in it."""
    for node in servers_of_cluster.nodes:
        node.start()
    servers_of_cluster.wait_until_whole()
    servers_of_cluster.flush()
    return servers_of_cluster


@pytest.fixture
def free_port() -> int:
    return a_free_port()


@pytest.fixture
def settings(tmp_path: Path, store_url: str, free_port: int) -> Settings:
    return some_settings(tmp_path, store_url, port=free_port, base_url=f"http://127.0.0.1:{free_port}")


@pytest.fixture
async def clarion(settings: Settings) -> AsyncIterator[Clarion]:
    """All three services, in this process, over HTTP on loopback."""
    async with running_clarion(settings) as running:
        yield running


@pytest.fixture
async def ingest(settings: Settings, redis: Redis) -> AsyncIterator[Ingest]:
    """The ingest service alone, in this process, over HTTP on loopback."""
    async with running_ingest(settings, redis) as running:
        yield running
