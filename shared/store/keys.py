"""
Every key name in the store.

Names carry a hash tag, so that on a Redis Cluster everything one script touches lies together: `{site}` for the content
and its streams, `{d0}`, `{d1}`, … for the delivery shards.
"""

from shared.model.ids import EventId, ItemId, SubscriptionId
from shared.model.listings import Listing

ITEMS_STREAM = "{site}:items"
PAGES_STREAM = "{site}:pages"
RENDER_GROUP = "render"
"""The consumer group of `ITEMS_STREAM` in which replicas of render share the work."""
DEAD_LETTERS = "{site}:dead-letters"
PATHS = "{site}:paths"
SCHEDULED = "{site}:scheduled"
HELD = "{site}:held"
"""Sorted set of the items whose moment has come, in a language or section that the site file does not have, by it."""
SITE_RECORD = "{site}:site"
"""Hash: number and fingerprint of the current edition, `superseded` ones, and when the site was born."""
EDITIONS = "{site}:editions"
"""Hash, name of a render to the edition that its files make, whether it was refused, and when that was noted."""
HISTORY = "{site}:history"
"""Hash: the store's `epoch`, the moment (ms) `began_ms` and the `reason` of it. None is kept in epoch 0."""
FORMAT = "{site}:format"
"""The number of the store's layout; absent in layout 1."""
API_KEYS = "{site}:api-keys"
UNSHOWN = "{site}:unshown"
"""
Sorted set of the ids of items whose public revision is not shown yet, by when (ms) it was accepted.

An item whose newest public revision cannot be rendered has the negative of the moment when that was found.
"""
AUDIT = "{site}:audit"
"""Stream of who did what to which item."""
ERASURES = "{site}:erasures"
"""Hash, id of an item that is to be erased to who asked for it and when."""
ERASED = "{site}:erased"
"""
Hash, id and newest revision of an erased item (`id:N`) to when (ms), and the epochs of its events if they have any.

Notify is to forget the item's deliveries.
"""
TICK = "{site}:tick"
"""The last moment (milliseconds) that the site was told of: what "the last two days" are counted from."""
OUTPUT_TROUBLE = "{site}:output-trouble"
"""Why a render can write no files; it expires unless that render says so again."""
CLOCK_SET_BACK = "{site}:clock-set-back"
"""Kept for some seconds once moments were brought back with the store's clock."""
REBUILD = "{site}:rebuild"
"""Hash: who asked last that the site be written anew, and how far render has come with it."""
TRIMMED = "{site}:trimmed"
"""Hash, stream name to the id of the last entry that was trimmed from it."""
ACKNOWLEDGED = "{site}:acknowledged"
"""Hash, `acknowledged_by` to the id up to which that group has acknowledged every entry: where a lost one goes on."""
REPLICATION_MARK = "{site}:replication-mark"
"""Written so that there is something to wait for, until replicas have it and with it all that was written before."""
SHARDS = "{site}:shards"
"""How many delivery shards there are; fixed at the first start."""


def acknowledged_by(stream: str, group: str) -> str:
    """Return the field of `ACKNOWLEDGED` for one group."""
    return f"{stream} {group}"


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
    """
    Hash: `changed` (ms), under `archive:yyyymm` and `feed:yyyymm` the last number given out in that month.

    Under `count:yyyymm` stands how many items are numbered in the archive's month now.
    """
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


class Shard:
    """The keys of one delivery shard; a subscription lives in one. Shards of one number are equal."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._tag = tag = f"{{d{number}}}"
        self.cursor = f"{tag}:cursor"
        """Hash: how far into the log this shard has fanned out."""
        self.subscriptions = f"{tag}:subscriptions"
        """Hash, subscription id to its JSON."""
        self.version = f"{tag}:subscriptions-version"
        """Counter, raised by every change of a subscription of this shard."""
        self.changes = f"{tag}:subscriptions-changes"
        """Sorted set of the subscriptions changed last, by the version that the change made; the newest thousand."""
        self.due = f"{tag}:due"
        """Sorted set of the subscriptions to look at for something to do, by when (milliseconds)."""
        self.clock_set_back = f"{tag}:clock-set-back"
        """As `CLOCK_SET_BACK`."""
        self.replays = f"{tag}:replays"
        """Hash, id of a replay to its JSON."""
        self.dead_letters = f"{tag}:dead-letters"
        """Stream of the deliveries that were given up."""
        self.websub_subscriptions = f"{tag}:websub-subscriptions"
        """Hash, id of a subscription to a feed to its JSON, of those whose intent is verified."""
        self.websub_topics = f"{tag}:websub-topics"
        """Sorted set in which a feed's path, a line feed and a subscription's id make a member: who wants the feed."""
        self.websub_leases = f"{tag}:websub-leases"
        """Sorted set of the subscriptions to feeds, by when they end (milliseconds)."""
        self.websub_due = f"{tag}:websub-due"
        """Sorted set of the subscriptions to look at because their feed may have changed, by when (milliseconds)."""
        self.websub_states = f"{tag}:websub-states"
        """Hash, id of a subscription to a feed to what it was last sent and who has it in hand."""
        self.websub_requests = f"{tag}:websub-requests"
        """Hash, id of a subscription to the last request about it that its callback has not confirmed."""
        self.websub_requests_due = f"{tag}:websub-requests-due"
        """Sorted set of the requests to see through, by when (milliseconds)."""
        self.websub_cursor = f"{tag}:websub-cursor"
        """The last entry of the log whose feeds are marked."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shard) and other.number == self.number

    def __hash__(self) -> int:
        return hash(self.number)

    def endpoint(self, subscription: SubscriptionId) -> str:
        """Hash: since when the endpoint has failed everything, and not before when it may be sent more."""
        return f"{self._tag}:endpoint:{subscription}"

    def ready(self, subscription: SubscriptionId) -> str:
        """List of deliveries never tried, in log order."""
        return f"{self._tag}:ready:{subscription}"

    def later(self, subscription: SubscriptionId) -> str:
        """Sorted set of deliveries to try again, by when (milliseconds)."""
        return f"{self._tag}:later:{subscription}"

    def leased(self, subscription: SubscriptionId) -> str:
        """Sorted set of deliveries in some worker's hand, by when its lease ends (milliseconds)."""
        return f"{self._tag}:leased:{subscription}"

    def deliveries(self, subscription: SubscriptionId) -> str:
        """Hash, delivery id to its state, of the deliveries that are not settled."""
        return f"{self._tag}:deliveries:{subscription}"

    def attempts(self, subscription: SubscriptionId) -> str:
        """Stream of the subscription's last attempts."""
        return f"{self._tag}:attempts:{subscription}"


def delivery_tally(shard: Shard, event: EventId) -> str:
    """
    Hash: of an event's deliveries in this shard, how many were `enqueued`, `delivered` and given up (`dead`).

    `last_ms` tells when one was delivered last.
    """
    return f"{{d{shard.number}}}:tally:{event}"
