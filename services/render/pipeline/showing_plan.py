"""What a batch is about to show of an item, and what has become of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from services.render.pages.kinds import MonthPlace
from services.render.theme.view_models import Translation
from shared.model.items import Item, LeftPage, PublicItem, Revision


@dataclass(frozen=True)
class ShowingPlan:
    """An item of a batch with what is to be shown of it. Nothing newer is read while the batch lasts."""

    item: Item
    shown: Revision | None
    """The revision that readers see."""
    targets: tuple[Revision, ...]
    """The revisions to show, newest first: the second is for the case that the first cannot be rendered."""
    listed_at: datetime
    """When the item's listing in feeds begins, if lists do not show it yet."""
    faults: Mapping[int, str] = field(default_factory=dict)
    """The revisions that could not be rendered, with the reasons."""

    @property
    def before(self) -> PublicItem | None:
        """The item as readers see it; None where they do not."""
        return PublicItem(self.item, self.shown) if self.shown is not None else None

    @property
    def after(self) -> PublicItem | None:
        """The item as readers are to see it; None where there is nothing to show."""
        if not self.targets:
            return self.before
        target, released_at = self.targets[0], self.item.released_at
        is_listed = self.before is not None and self.before.is_listed
        if released_at is None or not (is_listed or target.withdrawal):
            released_at = self.listed_at
        return PublicItem(replace(self.item, shown=target.number, released_at=released_at), target)

    @property
    def pages(self) -> tuple[PublicItem | None, PublicItem | None]:
        """The item as its page shows it now and is to show it; None for no page."""
        before, after = self.before, self.after
        return before if before and before.has_page else None, after if after and after.has_page else None

    @property
    def paths(self) -> set[str]:
        """Where the item's page stands and is to stand."""
        return {page.path for page in self.pages if page is not None}


@dataclass(frozen=True)
class Showing:
    """What has become of an item: how readers see it now, where it stands, and what it has left."""

    item: PublicItem | None
    translations: Sequence[Translation]
    """Those that its page links to."""
    faults: Mapping[int, str]
    places: frozenset[MonthPlace]
    left_places: frozenset[MonthPlace]
    left_pages: tuple[LeftPage, ...]
