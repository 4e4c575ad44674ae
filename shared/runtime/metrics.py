"""
Every metric of every service, declared once; the text of each is its documentation.

What a process counts itself adds up over the replicas. What is read in the store is told by every process alike, so
that a service that is down cannot take the numbers about itself with it: take the maximum, not the sum.
"""

from prometheus_client import Counter, Gauge, Histogram

# A page is there within a second, or something is wrong; a delivery may wait out the whole schedule of retries.
_SOON = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_SOME_TIME = (*_SOON, 1800, 7200, 43200, 86400, 345600)

# What the services count.

items_total = Counter("clarion_items_total", "Items taken in, by what came of it.", ["result"])
pages_total = Counter("clarion_pages_total", "Pages rendered, by whether the file changed.", ["result"])
render_batch_seconds = Histogram(
    "clarion_render_batch_seconds", "Time to render and announce a batch of events.", buckets=_SOON
)
visible_seconds = Histogram(
    "clarion_visible_seconds",
    "Time from an item's acceptance to its announcement: its pages can be read.",
    buckets=_SOON,
)
delivered_seconds = Histogram(
    "clarion_delivered_seconds",
    "Time from an item's acceptance to the answer that took its webhook; not the time before a replay.",
    buckets=_SOME_TIME,
)
deliveries_total = Counter("clarion_deliveries_total", "Attempts, by outcome and reason.", ["outcome", "reason"])
dead_letters_total = Counter("clarion_dead_letters_total", "Events and deliveries given up.", ["stream"])

# What is read in the store, at every scrape.

store_up = Gauge("clarion_store_up", "Whether the store answered when it was last asked (1) or not (0).")
stream_lag = Gauge("clarion_stream_lag", "Entries that no consumer has taken yet.", ["stream", "group"])
stream_pending = Gauge("clarion_stream_pending", "Entries taken and not acknowledged.", ["stream", "group"])
stream_oldest_seconds = Gauge(
    "clarion_stream_oldest_seconds",
    "Age of the oldest entry that is not acknowledged. Of items and render: of the oldest event not yet rendered.",
    ["stream", "group"],
)
unshown_items = Gauge("clarion_unshown_items", "Items whose newest public revision waits to be shown to readers.")
unshown_oldest_seconds = Gauge(
    "clarion_unshown_oldest_seconds", "For how long the first of them has waited: the age of the backlog."
)
unrenderable_items = Gauge(
    "clarion_unrenderable_items", "Items whose newest public revision cannot be rendered; readers keep what they see."
)
refused_editions = Gauge(
    "clarion_refused_editions",
    "Editions (site file, theme, release) that were refused though a render was started with them.",
)
dead_letters_kept = Gauge("clarion_dead_letters_kept", "Dead letters kept: events, or deliveries.", ["kind"])
deliveries_waiting = Gauge("clarion_deliveries_waiting", "Deliveries that wait for the endpoints that are active.")
deliveries_overdue_seconds = Gauge(
    "clarion_deliveries_overdue_seconds", "For how long the first endpoint that is due has been due."
)
endpoints = Gauge("clarion_endpoints", "Subscriptions, by state.", ["state"])
output_refuses_files = Gauge(
    "clarion_output_refuses_files",
    "Whether the volume that holds the site takes no files (1), so that pages wait, or takes them (0).",
)
items_held = Gauge(
    "clarion_items_held",
    "Items whose moment has come, in a language or section that the site file does not have: they are not released.",
)
store_epoch = Gauge(
    "clarion_store_epoch", "The epoch of the store's history: it rises when a copy of the store is put back."
)
store_memory_bytes = Gauge("clarion_store_memory_bytes", "Memory that the store uses.")
store_memory_limit_bytes = Gauge("clarion_store_memory_limit_bytes", "Memory that the store may use; 0 for no limit.")
store_layout = Gauge("clarion_store_layout", "The number of the store's layout.")
store_append_only = Gauge("clarion_store_append_only", "Whether the store writes an append-only file (1) or not (0).")
store_last_write_ok = Gauge("clarion_store_last_write_ok", "Whether the last write of that file went well.")
store_last_rewrite_ok = Gauge("clarion_store_last_rewrite_ok", "Whether its last rewrite went well.")
store_file_bytes = Gauge("clarion_store_file_bytes", "Size of that file.")
store_replicas = Gauge("clarion_store_replicas", "Replicas connected to the store.")

# Where the site is; a process that has no part in it says nothing.

disk_free_bytes = Gauge("clarion_disk_free_bytes", "Room left on the disk that holds the site.", ["volume"])
disk_bytes = Gauge("clarion_disk_bytes", "Size of that disk.", ["volume"])
