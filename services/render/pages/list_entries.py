"""An item as lists show it, its card and its feed entry, rendered once for each revision."""

from dataclasses import dataclass
from datetime import datetime

from services.render.feeds.feed import FeedEntry, feed_entry_of
from services.render.output.files import UnusableName
from services.render.pages.edition import Edition
from services.render.theme.view_models import Card
from shared.model.ids import ItemId
from shared.model.items import PublicItem
from shared.model.urls import is_reserved, last_segment
from shared.runtime.lru import Lru

# 60 MB when full: a card and a feed entry take 30 kB for an item of 5 kB.
_KEPT = 2000

# The same revision may be released again under another path or at another moment, so both belong to the key.
_CacheKey = tuple[ItemId, int, str, datetime]


@dataclass(frozen=True)
class ListEntry:
    """An item as lists and feeds show it."""

    card: Card
    feed_entry: FeedEntry


class ListEntryCache:
    """An LRU cache of rendered list entries."""

    def __init__(self, edition: Edition) -> None:
        self._edition = edition
        self._kept: Lru[_CacheKey, ListEntry] = Lru(_KEPT)

    def of(self, item: PublicItem) -> ListEntry:
        """
        Return the item's list entry.

        Raises whatever the item makes a template raise, and UnusableName where another file has its page's place: older
        releases took such slugs.
        """
        key = (item.item.id, item.revision.number, item.path, item.released_at)
        found = self._kept.get(key)
        if found is None:
            if is_reserved(last_segment(item.path)):
                raise UnusableName(f"{item.path} is the place of another file")
            edition = self._edition
            found = ListEntry(
                card=edition.theme.card(item),
                feed_entry=feed_entry_of(item, edition.site, edition.base_url, edition.feed_formats),
            )
            self._kept.put(key, found)
        return found
