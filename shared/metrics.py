"""Every metric of every service, declared once."""

from prometheus_client import Counter, Gauge, Histogram

items_total = Counter("clarion_items_total", "Items taken in, by what came of it.", ["result"])
pages_total = Counter("clarion_pages_total", "Pages rendered, by whether the file changed.", ["result"])
render_batch_seconds = Histogram("clarion_render_batch_seconds", "Time to render and announce a batch of events.")
visible_seconds = Histogram("clarion_visible_seconds", "Time from acceptance to announcement of an event.")
dead_letters_total = Counter("clarion_dead_letters_total", "Events given up.", ["stream"])
deliveries_total = Counter("clarion_deliveries_total", "Attempts, by outcome and reason.", ["outcome", "reason"])
delivered_seconds = Histogram("clarion_delivered_seconds", "Time from announcement to delivery.")
stream_pending = Gauge("clarion_stream_pending", "Entries taken and not acknowledged.", ["stream", "group"])
