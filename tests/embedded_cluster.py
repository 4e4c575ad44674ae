"""A real cluster of embedded servers on loopback: what the tests of several machines run on."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import redis
from redis.crc import key_slot

from services.dev.embedded_store import POLL_SECONDS, EmbeddedRedis, EmbeddedRedisError, embedded_redis, reserved_port

MASTERS = 3
SLOTS = 16384
# How long a node may be silent before the others agree that it is away; in production 15 s is usual.
NODE_TIMEOUT_MS = 1000
PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class EmbeddedCluster:
    """Three masters and a replica of each; who is what changes with every failover."""

    nodes: Sequence[EmbeddedRedis]

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(_authority(node) for node in self.nodes)

    def master_of(self, key: str) -> EmbeddedRedis:
        """Return the server that owns the key's slot now, as those that live see it."""
        slot = key_slot(key.encode())
        for node in self.nodes:
            if not node.is_running:
                continue
            for first, last, owner, *_ in _ask(node, "CLUSTER SLOTS"):
                if first <= slot <= last:
                    return next(one for one in self.nodes if _port(one) == owner[1])
        raise EmbeddedRedisError(f"no node of the cluster knows who owns {key}")

    def replica_of(self, key: str) -> EmbeddedRedis:
        """Return the server that would take over the key's slot."""
        master = self.master_of(key)
        (host, port, _), *_ = _ask(master, "ROLE")[2]
        return next(node for node in self.nodes if _authority(node) == f"{host.decode()}:{port.decode()}")

    def promote(self, replica: EmbeddedRedis) -> None:
        """Let a replica take its master's place in good order, and return when it has."""
        _ask(replica, "CLUSTER", "FAILOVER")
        _until(lambda: _ask(replica, "ROLE")[0] == b"master", "the failover")
        self.wait_until_whole()

    def flush(self) -> None:
        """Throw away everything there is."""
        for node in self.nodes:
            if _ask(node, "ROLE")[0] == b"master":
                _ask(node, "FLUSHALL")

    def wait_until_whole(self) -> None:
        """Return when every slot has a master and every master a replica that follows it."""
        _until(lambda: all(_is_whole(node) for node in self.nodes), "the cluster to be whole")


@contextmanager
def embedded_cluster(data_dir: Path) -> Iterator[EmbeddedCluster]:
    """Run a cluster over `data_dir`, which must be empty, until the block ends."""
    with ExitStack() as block:
        nodes = [_start(data_dir / f"node-{number}", block) for number in range(2 * MASTERS)]
        cluster = EmbeddedCluster(nodes)
        _join(nodes)
        cluster.wait_until_whole()
        yield cluster


def _start(data_dir: Path, block: ExitStack) -> EmbeddedRedis:
    options = [
        *("--cluster-enabled", "yes"),
        *("--cluster-config-file", "nodes.conf"),
        # Nodes speak with one another on a port of its own; 10,000 above the other, unless told, may be none at all.
        *("--cluster-port", str(reserved_port(0, block))),
        *("--cluster-node-timeout", str(NODE_TIMEOUT_MS)),
        # One part that is away must not take the others with it.
        *("--cluster-require-full-coverage", "no"),
        *("--repl-diskless-sync-delay", "0"),
        *("--repl-ping-replica-period", "1"),
    ]
    return block.enter_context(embedded_redis(data_dir, port=0, options=options))


def _join(nodes: Sequence[EmbeddedRedis]) -> None:
    masters, replicas = nodes[:MASTERS], nodes[MASTERS:]
    for number, node in enumerate(nodes):
        _ask(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
    for number, master in enumerate(masters):
        first, following = number * SLOTS // MASTERS, (number + 1) * SLOTS // MASTERS
        _ask(master, "CLUSTER", "ADDSLOTSRANGE", first, following - 1)
    for node in nodes[1:]:
        _ask(node, "CLUSTER", "MEET", "127.0.0.1", _port(nodes[0]), _bus_port(nodes[0]))
    _until(lambda: all(_count_known(node) == len(nodes) for node in nodes), "the nodes to know each other")
    for master, replica in zip(masters, replicas, strict=True):
        name = _ask(master, "CLUSTER", "MYID").decode()
        _until(partial(_replicates, replica, name), "a replica to find its master")


def _replicates(replica: EmbeddedRedis, master: str) -> bool:
    try:
        return bool(_ask(replica, "CLUSTER", "REPLICATE", master))
    except redis.ResponseError:  # it has not heard yet which of the nodes are masters
        return False


def _count_known(node: EmbeddedRedis) -> int:
    lines = _ask(node, "CLUSTER", "NODES").decode().splitlines()
    return sum("handshake" not in line and "noaddr" not in line for line in lines)


def _is_whole(node: EmbeddedRedis) -> bool:
    if not node.is_running or b"cluster_state:ok" not in _ask(node, "CLUSTER", "INFO"):
        return False
    # A master ignores a failover that a replica asks for until gossip has told it who follows it, and so do the voters.
    if _ask(node, "CLUSTER", "NODES").count(b"slave ") != MASTERS:
        return False
    role, *rest = _ask(node, "ROLE")
    if role == b"slave":
        return bool(rest[2] == b"connected")
    return bool(rest[1])  # the replicas that follow


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise EmbeddedRedisError(f"waited {PATIENCE_SECONDS} s for {what}")
        time.sleep(POLL_SECONDS)


def _ask(node: EmbeddedRedis, *command: str | int) -> Any:  # Any: what servers answer, as it comes
    with redis.Redis.from_url(node.url, retry=None) as client:
        client.response_callbacks.clear()
        return client.execute_command(*command)


def _authority(node: EmbeddedRedis) -> str:
    return node.url.removeprefix("redis://").partition("/")[0]


def _port(node: EmbeddedRedis) -> int:
    return int(_authority(node).rpartition(":")[2])


def _bus_port(node: EmbeddedRedis) -> int:
    answer = _ask(node, "CONFIG", "GET", "cluster-port")
    return int(answer[1] if isinstance(answer, list) else answer[b"cluster-port"])
