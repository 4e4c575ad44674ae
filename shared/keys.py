"""
Every key name in the store.

Names carry a hash tag, so that on a Redis Cluster everything one script touches lies together: `{site}` for the content
and its streams, `{d0}`, `{d1}`, … for the delivery shards.
"""

from dataclasses import dataclass

from shared.ids import ItemId, SubscriptionId
from shared.listings import Listing

ITEMS_STREAM = "{site}:items"
PAGES_STREAM = "{site}:pages"
DEAD_LETTERS = "{site}:dead-letters"
PATHS = "{site}:paths"
SCHEDULED = "{site}:scheduled"
SITE_RECORD = "{site}:site"
API_KEYS = "{site}:api-keys"
TRIMMED = "{site}:trimmed"
"""Hash, stream name to the id of the last entry that was trimmed from it."""
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


def archive_month(of: Listing, month: str) -> str:
    """
    Sorted set of the item ids published in a month, by a number given once and never again.

    Archive pages and sitemaps are ranges of these numbers, so that a withdrawal leaves a gap and moves nothing.
    """
    return f"{{site}}:archive:{of}:{month}"


def feed_month(of: Listing, month: str) -> str:
    """Sorted set of the item ids released in a month, numbered likewise: the feed's archive documents."""
    return f"{{site}}:feed:{of}:{month}"


def idempotency(api_key_name: str, key: str) -> str:
    return f"{{site}}:idempotency:{api_key_name}:{key}"


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
    def dead_letters(self) -> str:
        """Stream of the deliveries that were given up."""
        return self._key("dead-letters")
