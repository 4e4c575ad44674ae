"""
Show items: write an item's page and, while its lock is held, move the item into its lists and set `shown`.

Lists, feeds, sitemaps, search, the public API and redirects read the shown revision and the indexes, so they never name
a page that is not on the volume. What an item has left (its old page, its old places in months) stays in the store
until lists without it are written, the old page is removed and the event is announced.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.render.output.files import File, UnusableName
from services.render.output.written import Written
from services.render.pages.chunks import chunks_of
from services.render.pages.items import ItemPages
from services.render.pages.writer import PageWriter
from services.render.pipeline.show_script import ShowScript
from services.render.pipeline.showing_plan import Showing, ShowingPlan
from services.render.pipeline.veto import Veto
from services.render.theme.view_models import Translation
from shared.model.ids import ItemId
from shared.model.items import PublicItem
from shared.store.item_store import ItemStore
from shared.store.public_items import PublicItems

# One call of the script shows so many: 100 items take the store 8.6 ms, 20 take 1.6, one 0.16.
_AT_ONCE = 50


@dataclass(frozen=True)
class _RenderedPlan:
    plan: ShowingPlan
    file: File | None = None
    translations: Sequence[Translation] = ()


class ItemShower:
    """Shows items, many at a time."""

    def __init__(
        self,
        *,
        store: ItemStore,
        script: ShowScript,
        items: ItemPages,
        public_items: PublicItems,
        writer: PageWriter,
        veto: Veto,
    ) -> None:
        self._store = store
        self._script = script
        self._items = items
        self._public_items = public_items
        self._writer = writer
        self._veto = veto

    async def show(self, plans: Sequence[ShowingPlan], written: Written) -> Mapping[ItemId, Showing]:
        """Write the items' pages and show them; return what has become of each that is still in the store."""
        showings: dict[ItemId, Showing] = {}
        for chunk in chunks_of(plans, _AT_ONCE):
            waiting, faults = chunk, dict[ItemId, UnusableName]()
            while waiting:
                rendered = await self._rendered(waiting, faults)
                async with self._writer.locked({path for one in rendered for path in one.plan.paths}):
                    shown, faults = await self._write_and_show(rendered, written)
                showings.update(shown)
                plans = [one.plan for one in rendered if one.plan.item.id not in shown]
                moved = [plan for plan in plans if plan.item.id not in faults]
                waiting = [*(plan for plan in plans if plan.item.id in faults), *await self._planned_again(moved)]
        return showings

    async def _rendered(
        self, plans: Sequence[ShowingPlan], faults: Mapping[ItemId, UnusableName]
    ) -> Sequence[_RenderedPlan]:
        """
        Render the pages with no lock held.

        A revision that cannot be rendered, or whose file could not be made (`faults`), is vetoed, and the next one
        taken.
        """
        ready: list[_RenderedPlan] = []
        while plans:
            pages = await self._items.translated([page for _, page in (plan.pages for plan in plans) if page])
            failed = []
            for plan in plans:
                page = pages.get(plan.item.id)
                file = faults.get(plan.item.id) or (self._items.file(page) if page is not None else None)
                if not isinstance(file, Exception):
                    ready.append(_RenderedPlan(plan, file, page.translations if page is not None else ()))
                elif plan.targets:
                    failed.append(await self._vetoed(plan, file))
                elif page is not None:
                    ready.append(_RenderedPlan(await self._kept(plan, page.item, file)))
            plans, faults = failed, {}
        return ready

    async def _vetoed(self, plan: ShowingPlan, fault: Exception) -> ShowingPlan:
        bad, *rest = plan.targets
        reason = await self._veto.cast(plan.item, bad, plan.shown, fault)
        return replace(plan, targets=tuple(rest), faults={**plan.faults, bad.number: reason})

    async def _kept(self, plan: ShowingPlan, shown: PublicItem, fault: Exception) -> ShowingPlan:
        """Leave the page of the shown revision as another edition made it; it is at fault if there is none."""
        reason = await self._veto.cast_on_shown(shown, fault)
        return (
            plan if self._writer.stands(shown) else replace(plan, faults={**plan.faults, shown.revision.number: reason})
        )

    async def _write_and_show(
        self, rendered: Sequence[_RenderedPlan], written: Written
    ) -> tuple[Mapping[ItemId, Showing], dict[ItemId, UnusableName]]:
        """
        Write pages and show their items, with the pages' locks held; return also the files that cannot be made.

        Leaves out what others have shown meanwhile.
        """
        items = await self._store.get_many([one.plan.item.id for one in rendered])
        current, faults = [], {}
        for one, item in zip(rendered, items, strict=True):
            if item is not None and item.shown == one.plan.item.shown:
                fault = self._writer.fault_of_putting(one.file, written) if one.file is not None else None
                if fault is None:
                    current.append(one)
                else:
                    faults[item.id] = fault
        shown = {}
        for one, showing in zip(current, await self._script.show([one.plan for one in current]), strict=True):
            if showing is not None:
                shown[one.plan.item.id] = replace(showing, translations=one.translations)
                if showing.item is not None:
                    self._public_items.remember(showing.item)
        return shown, faults

    async def outdated_pages(self, showings: Mapping[ItemId, Showing]) -> set[str]:
        """Return the paths of pages whose translations have been shown, or moved, since the pages were rendered."""
        linking = [one.item for one in showings.values() if one.item is not None and one.item.revision.translation_slot]
        now = await self._items.translated(linking)
        return {one.item.path for item_id, one in now.items() if one.translations != showings[item_id].translations}

    async def _planned_again(self, plans: Sequence[ShowingPlan]) -> Sequence[ShowingPlan]:
        """Return the plans with what readers see by now. The targets stay, or an item would be chased for ever."""
        items = await self._store.get_many([plan.item.id for plan in plans]) if plans else []
        there = [(plan, item) for plan, item in zip(plans, items, strict=True) if item is not None]
        shown = await self._store.revisions([(item.id, item.shown) for _, item in there])
        return [
            replace(plan, item=item, shown=now, targets=tuple(one for one in plan.targets if one.number > item.shown))
            for (plan, item), now in zip(there, shown, strict=True)
        ]
