"""Call show_items.lua: which indexes each item leaves and enters, and what the script answers."""

from collections.abc import Sequence
from dataclasses import replace

from redis.asyncio import Redis

from services.render.pages.kinds import MonthPlace
from services.render.pages.months import month_key, month_places, places_left
from services.render.pipeline.item_indexes import Indexes, Op, index_ops, tombstone_ops
from services.render.pipeline.showing_plan import Showing, ShowingPlan
from services.render.pipeline.veto import decided_fields
from shared.model.clock import to_ms
from shared.model.listings import Placement, placement_of
from shared.model.site_file import Site
from shared.store import keys
from shared.store.item_store import left_behind
from shared.store.scripts import Script

# The script's first key is that of the unshown items.
_FIRST_PLACE = 2


class ShowScript:
    """Shows items in the store."""

    def __init__(self, redis: Redis, site: Site) -> None:
        self._script = Script(redis, __name__, "show_items.lua")
        self._zone = site.zone

    async def show(self, plans: Sequence[ShowingPlan]) -> list[Showing | None]:
        """Move the items in their indexes and set what is shown; None for one that another batch has shown."""
        if not plans:
            return []
        indexes = Indexes(_FIRST_PLACE)
        asked = [self._asked(plan, indexes) for plan in plans]
        answers = await self._script([keys.UNSHOWN, *indexes.keys], {"items": [one for one, _ in asked]})
        return [_showing(plan, places, answer) for plan, (_, places), answer in zip(plans, asked, answers, strict=True)]

    def _asked(self, plan: ShowingPlan, indexes: Indexes) -> tuple[dict[str, object], Sequence[MonthPlace]]:
        """Return what the script is told of an item, and the places whose numbers it answers."""
        before = self._placement_now(plan)
        after = self._placement_after(plan, before)
        ops: list[Op] = []
        if plan.targets:
            withdrawn_at = plan.targets[0].accepted_at if plan.targets[0].withdrawal else None
            ops = [*index_ops(before, after, indexes), *tombstone_ops(before, after, withdrawn_at, indexes)]
        places = month_places(after) if after is not None else []
        old_page, page = plan.pages
        shown = plan.after
        released_at = shown.item.released_at if shown is not None else None
        asked: dict[str, object] = {
            "id": plan.item.id,
            "key": indexes.place(keys.item(plan.item.id)),
            "expected": plan.item.shown,
            "target": shown.item.shown if shown is not None else plan.item.shown,
            "released_at": str(to_ms(released_at)) if released_at is not None else "",
            "path": page.path if page is not None else "",
            "left": old_page.path if old_page is not None and (page is None or page.path != old_page.path) else "",
            "decided": decided_fields(shown.revision) if shown is not None else [],
            "ops": ops,
            "places": [indexes.place(month_key(one.listing, one.kind, one.month)) for one in places],
        }
        slot = shown.revision.translation_slot if shown is not None else None
        if slot is not None and shown is not None and shown.item.shown != plan.item.public:
            asked["enter"] = indexes.place(keys.translation_set(slot[0])), slot[1]
        if after is not None and after.months != plan.item.months:
            asked["months"] = f"{after.months.published} {after.months.released}"
        return asked, places

    def _placement_now(self, plan: ShowingPlan) -> Placement | None:
        """Return where lists show the item: numbered under the months that it keeps."""
        if plan.shown is None or plan.item.released_at is None:
            return None
        computed = placement_of(plan.shown, plan.item.released_at, self._zone)
        return replace(computed, months=plan.item.months) if computed and plan.item.months else computed

    def _placement_after(self, plan: ShowingPlan, now: Placement | None) -> Placement | None:
        after = plan.after
        if not plan.targets or after is None or after.item.released_at is None:
            return now
        return placement_of(after.revision, after.item.released_at, self._zone, kept=now)


def _showing(plan: ShowingPlan, places: Sequence[MonthPlace], answer: Sequence[str]) -> Showing | None:
    status, *rest = answer
    if status == "moved":
        return None
    left, *numbers = rest
    left_pages, left_places = left_behind(left)
    return Showing(
        plan.after,
        translations=(),
        faults=plan.faults,
        places=frozenset(
            MonthPlace(place.listing, place.kind, place.month, int(number))
            for place, number in zip(places, numbers, strict=True)
            if number != "0"
        ),
        left_places=frozenset(places_left(left_places)),
        left_pages=left_pages,
    )
