"""The pieces that an item gives to lists and feeds, rendered once for each revision."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from services.render.feeds.feed import FeedEntry, feed_entry_of
from services.render.pages.edition import Edition
from services.render.theme.view_models import Card
from shared.model.ids import ItemId
from shared.model.items import PublicItem

# A card and a feed entry are about 30 kB for an item of 5 kB: some 60 MB when full, and every list is served from it.
_KEPT = 2000


_Name = tuple[ItemId, int, str, datetime]


@dataclass(frozen=True)
class Pieces:
    """An item as lists and feeds show it."""

    card: Card
    feed_entry: FeedEntry


class PieceCache:
    """The pieces rendered last."""

    def __init__(self, edition: Edition) -> None:
        self._edition = edition
        self._kept: OrderedDict[_Name, Pieces] = OrderedDict()

    def of(self, item: PublicItem) -> Pieces:
        """Return the item's pieces. Raises whatever the item makes a template raise."""
        # The same revision may be released anew, with another path or moment: they are part of its name.
        name = (item.item.id, item.revision.number, item.path, item.released_at)
        found = self._kept.get(name)
        if found is None:
            found = Pieces(
                card=self._edition.theme.card(item),
                feed_entry=feed_entry_of(item, self._edition.site, self._edition.base_url),
            )
            self._kept[name] = found
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(name)
        return found
