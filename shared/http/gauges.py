"""Sets the gauges: from the numbers of the store, and from the disk that holds the site."""

import math
from collections.abc import Callable
from pathlib import Path
from shutil import disk_usage

from prometheus_client import Gauge

from shared.http.store_numbers import StoreNumbers
from shared.runtime import metrics

_PLAIN: tuple[tuple[Gauge, Callable[[StoreNumbers], float]], ...] = (
    (metrics.unshown_items, lambda numbers: numbers.unshown.waiting),
    (metrics.unshown_oldest_seconds, lambda numbers: numbers.unshown.oldest_seconds),
    (metrics.unrenderable_items, lambda numbers: numbers.unshown.unrenderable),
    (metrics.refused_editions, lambda numbers: len(numbers.refused_editions)),
    (metrics.deliveries_waiting, lambda numbers: numbers.queue.waiting),
    (metrics.deliveries_overdue_seconds, lambda numbers: numbers.queue.overdue_seconds),
    (metrics.output_refuses_files, lambda numbers: numbers.output_refuses_files),
    (metrics.items_held, lambda numbers: numbers.held),
    (metrics.store_epoch, lambda numbers: numbers.epoch),
    (metrics.store_layout, lambda numbers: numbers.layout),
    (metrics.store_memory_bytes, lambda numbers: numbers.server.memory_bytes),
    (metrics.store_memory_limit_bytes, lambda numbers: numbers.server.memory_limit_bytes),
    (metrics.store_append_only, lambda numbers: numbers.server.append_only),
    (metrics.store_last_write_ok, lambda numbers: numbers.server.last_write_ok),
    (metrics.store_last_rewrite_ok, lambda numbers: numbers.server.last_rewrite_ok),
    (metrics.store_file_bytes, lambda numbers: numbers.server.file_bytes),
    (metrics.store_replicas, lambda numbers: numbers.server.replicas),
)
_BY_GROUP = (metrics.stream_lag, metrics.stream_pending, metrics.stream_oldest_seconds)


def show_store(numbers: StoreNumbers | None) -> None:
    """Set the gauges of the store. None, when the store does not answer, clears them: old values would mislead."""
    metrics.store_up.set(numbers is not None)
    for gauge, measure in _PLAIN:
        gauge.set(math.nan if numbers is None else measure(numbers))
    for labelled in (*_BY_GROUP, metrics.dead_letters_kept, metrics.endpoints):
        labelled.clear()
    if numbers is None:
        return
    for group in numbers.groups:
        for gauge, value in zip(_BY_GROUP, (group.lag, group.pending, group.oldest_seconds), strict=True):
            gauge.labels(group.stream, group.group).set(value)
    metrics.dead_letters_kept.labels("events").set(numbers.dead_letters)
    metrics.dead_letters_kept.labels("deliveries").set(numbers.queue.dead_letters)
    for state, count in numbers.queue.endpoints.items():
        metrics.endpoints.labels(state).set(count)


def show_disk(folder: Path) -> None:
    """Set the gauges of the disk that holds the folder. Nothing changes where there is no such folder."""
    if folder.is_dir():
        usage = disk_usage(folder)
        metrics.disk_free_bytes.labels("site").set(usage.free)
        metrics.disk_bytes.labels("site").set(usage.total)
