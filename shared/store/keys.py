"""
Every key name in the store.

Names carry a hash tag, so that on a Redis Cluster everything one script touches lies together: `{site}` for the content
and its streams, `{d0}`, `{d1}`, … for the delivery shards.
"""

from dataclasses import dataclass

from shared.model.ids import EventId, ItemId, SubscriptionId
from shared.model.listings import Listing

ITEMS_STREAM = "{site}:items"
PAGES_STREAM = "{site}:pages"
RENDER_GROUP = "render"
"""The consumer group of `ITEMS_STREAM` in which replicas of render share the work."""
DEAD_LETTERS = "{site}:dead-letters"
PATHS = "{site}:paths"
SCHEDULED = "{site}:scheduled"
SITE_RECORD = "{site}:site"
API_KEYS = "{site}:api-keys"
AUDIT = "{site}:audit"
"""Stream of who did what to which item."""
ERASURES = "{site}:erasures"
"""Hash, id of an item that is to be erased to who asked for it and when."""
ERASED = "{site}:erased"
"""Hash, id and newest revision of an erased item (`id:N`) to when (ms): notify is to forget its deliveries."""
TICK = "{site}:tick"
"""The last moment (milliseconds) that the site was told of: what "the last two days" are counted from."""
REBUILD = "{site}:rebuild"
"""Hash: who asked last that the site be written anew, and how far render has come with it."""
TRIMMED = "{site}:trimmed"
"""Hash, stream name to the id of the last entry that was trimmed from it."""
REPLICATION_MARK = "{site}:replication-mark"
"""Written so that there is something to wait for, until replicas have it and with it all that was written before."""
SHARDS = "{site}:shards"
"""How many delivery shards there are; fixed at the first start."""


def item(item_id: ItemId) -> str:
    return f"{{site}}:item:{item_id}"


def revisions(item_id: ItemId) -> str:
    """Hash, revision number to its JSON."""
    return f"{{site}}:revisions:{item_id}"


def rendered(item_id: ItemId) -> str:
    """Hash, what is rendered and waits for an earlier revision's announcement."""
    return f"{{site}}:rendered:{item_id}"


def receipts(item_id: ItemId) -> str:
    """Hash: under `rendered:N` what render says of revision N, under `announced:N` its place in the log."""
    return f"{{site}}:receipts:{item_id}"


def translation_set(name: str) -> str:
    """Hash, language to item id, of the public members."""
    return f"{{site}}:translations:{name}"


def newest(of: Listing) -> str:
    """Sorted set of item ids by published_at."""
    return f"{{site}}:newest:{of}"


def released(of: Listing) -> str:
    """Sorted set of item ids by released_at: what feeds list."""
    return f"{{site}}:released:{of}"


def listing(of: Listing) -> str:
    """Hash: `changed` (ms), and under `archive:yyyymm` and `feed:yyyymm` the last number given out in that month."""
    return f"{{site}}:listing:{of}"


def listing_pattern() -> str:
    """Return what matches the key of every listing there ever was."""
    return "{site}:listing:*"


def listing_of(key: str) -> Listing:
    """Return the listing whose key `listing` made."""
    return Listing.parse(key.removeprefix("{site}:listing:"))


def archive_month(of: Listing, month: str) -> str:
    """
    Sorted set of the item ids published in a month, by a number given once and never again.

    Archive pages and sitemaps are ranges of these numbers, so that a withdrawal leaves a gap and moves nothing.
    """
    return f"{{site}}:archive:{of}:{month}"


def feed_month(of: Listing, month: str) -> str:
    """Sorted set of the item ids released in a month, numbered likewise: the feed's archive documents."""
    return f"{{site}}:feed:{of}:{month}"


def tombstones(of: Listing) -> str:
    """Sorted set of the item ids withdrawn from a listing, by when (milliseconds); the last hundred of 90 days."""
    return f"{{site}}:tombstones:{of}"


def idempotency(api_key_name: str, key: str) -> str:
    return f"{{site}}:idempotency:{api_key_name}:{key}"


def idempotency_of(item_id: ItemId) -> str:
    """Set of the names of the kept answers that tell of an item."""
    return f"{{site}}:idempotency-of:{item_id}"


def rate_limit(api_key_name: str) -> str:
    """Hash: the tokens a key has left, and when they were counted."""
    return f"{{site}}:rate-limit:{api_key_name}"


def console_session(hashed_cookie: str) -> str:
    """Hash: the sealed API key that a session of the console was begun with, and what its next page tells."""
    return f"{{site}}:console-session:{hashed_cookie}"


def console_sign_ins(who: str) -> str:
    """Counter of tries to sign in to the console, by where they come from."""
    return f"{{site}}:console-sign-ins:{who}"


@dataclass(frozen=True)
class Shard:
    """The keys of one delivery shard; a subscription lives in one."""

    number: int

    def _key(self, rest: str) -> str:
        return f"{{d{self.number}}}:{rest}"

    @property
    def cursor(self) -> str:
        """Hash: how far into the log this shard has fanned out."""
        return self._key("cursor")

    @property
    def subscriptions(self) -> str:
        """Hash, subscription id to its JSON."""
        return self._key("subscriptions")

    @property
    def version(self) -> str:
        """Counter, raised by every change of a subscription of this shard."""
        return self._key("subscriptions-version")

    @property
    def changes(self) -> str:
        """Sorted set of the subscriptions changed last, by the version that the change made; the newest thousand."""
        return self._key("subscriptions-changes")

    @property
    def due(self) -> str:
        """Sorted set of the subscriptions to look at for something to do, by when (milliseconds)."""
        return self._key("due")

    def endpoint(self, subscription: SubscriptionId) -> str:
        """Hash: since when the endpoint has failed everything, and not before when it may be sent more."""
        return self._key(f"endpoint:{subscription}")

    def ready(self, subscription: SubscriptionId) -> str:
        """List of deliveries never tried, in log order."""
        return self._key(f"ready:{subscription}")

    def later(self, subscription: SubscriptionId) -> str:
        """Sorted set of deliveries to try again, by when (milliseconds)."""
        return self._key(f"later:{subscription}")

    def leased(self, subscription: SubscriptionId) -> str:
        """Sorted set of deliveries in some worker's hand, by when its lease ends (milliseconds)."""
        return self._key(f"leased:{subscription}")

    def deliveries(self, subscription: SubscriptionId) -> str:
        """Hash, delivery id to its state, of the deliveries that are not settled."""
        return self._key(f"deliveries:{subscription}")

    def attempts(self, subscription: SubscriptionId) -> str:
        """Stream of the subscription's last attempts."""
        return self._key(f"attempts:{subscription}")

    @property
    def replays(self) -> str:
        """Hash, id of a replay to its JSON."""
        return self._key("replays")

    @property
    def dead_letters(self) -> str:
        """Stream of the deliveries that were given up."""
        return self._key("dead-letters")

    @property
    def websub_subscriptions(self) -> str:
        """Hash, id of a subscription to a feed to its JSON, of those whose intent is verified."""
        return self._key("websub-subscriptions")

    @property
    def websub_topics(self) -> str:
        """Sorted set in which a feed's path, a line feed and a subscription's id make a member: who wants the feed."""
        return self._key("websub-topics")

    @property
    def websub_leases(self) -> str:
        """Sorted set of the subscriptions to feeds, by when they end (milliseconds)."""
        return self._key("websub-leases")

    @property
    def websub_due(self) -> str:
        """Sorted set of the subscriptions to look at because their feed may have changed, by when (milliseconds)."""
        return self._key("websub-due")

    @property
    def websub_states(self) -> str:
        """Hash, id of a subscription to a feed to what it was last sent and who has it in hand."""
        return self._key("websub-states")

    @property
    def websub_requests(self) -> str:
        """Hash, id of a subscription to the last request about it that its callback has not confirmed."""
        return self._key("websub-requests")

    @property
    def websub_requests_due(self) -> str:
        """Sorted set of the requests to see through, by when (milliseconds)."""
        return self._key("websub-requests-due")

    @property
    def websub_cursor(self) -> str:
        """The last entry of the log whose feeds are marked."""
        return self._key("websub-cursor")


def delivery_tally(shard: Shard, event: EventId) -> str:
    """
    Hash: of an event's deliveries in this shard, how many were `enqueued`, `delivered` and given up (`dead`).

    `last_ms` tells when one was delivered last.
    """
    return f"{{d{shard.number}}}:tally:{event}"
