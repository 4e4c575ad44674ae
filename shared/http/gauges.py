"""Bring the gauges up to date: what the store says of streams, deliveries and itself, and how full the disk is."""

import math
from pathlib import Path
from shutil import disk_usage

from shared.http.store_numbers import StoreNumbers
from shared.runtime import metrics

_LABELLED = (
    metrics.stream_lag,
    metrics.stream_pending,
    metrics.stream_oldest_seconds,
    metrics.dead_letters_kept,
    metrics.endpoints,
)
_PLAIN = (
    *(
        metrics.deliveries_waiting,
        metrics.deliveries_overdue_seconds,
        metrics.store_memory_bytes,
        metrics.store_memory_limit_bytes,
    ),
    *(
        metrics.store_append_only,
        metrics.store_last_write_ok,
        metrics.store_last_rewrite_ok,
        metrics.store_file_bytes,
        metrics.store_replicas,
    ),
)


def show_store(numbers: StoreNumbers | None) -> None:
    """Set the gauges of the store; None when it does not answer: then they say nothing, rather than what was."""
    for labelled in _LABELLED:
        labelled.clear()
    for plain in _PLAIN:
        plain.set(math.nan)
    metrics.store_up.set(numbers is not None)
    if numbers is None:
        return
    for group in numbers.groups:
        metrics.stream_lag.labels(group.stream, group.group).set(group.lag)
        metrics.stream_pending.labels(group.stream, group.group).set(group.pending)
        metrics.stream_oldest_seconds.labels(group.stream, group.group).set(group.oldest_seconds)
    metrics.dead_letters_kept.labels("events").set(numbers.dead_letters)
    metrics.dead_letters_kept.labels("deliveries").set(numbers.queue.dead_letters)
    metrics.deliveries_waiting.set(numbers.queue.waiting)
    metrics.deliveries_overdue_seconds.set(numbers.queue.overdue_seconds)
    for state, count in numbers.queue.endpoints.items():
        metrics.endpoints.labels(state).set(count)
    _show_server(numbers)


def _show_server(numbers: StoreNumbers) -> None:
    server = numbers.server
    metrics.store_memory_bytes.set(server.memory_bytes)
    metrics.store_memory_limit_bytes.set(server.memory_limit_bytes)
    metrics.store_append_only.set(server.append_only)
    metrics.store_last_write_ok.set(server.last_write_ok)
    metrics.store_last_rewrite_ok.set(server.last_rewrite_ok)
    metrics.store_file_bytes.set(server.file_bytes)
    metrics.store_replicas.set(server.replicas)


def show_disk(folder: Path) -> None:
    """Set the gauges of the disk that the folder is on; leave them where there is no such folder."""
    if folder.is_dir():
        usage = disk_usage(folder)
        metrics.disk_free_bytes.labels("site").set(usage.free)
        metrics.disk_bytes.labels("site").set(usage.total)
