"""The veto: a revision that cannot be rendered is taken back, and readers keep what they see."""

import structlog
from redis.asyncio import Redis

from services.render.editions.trial import Trial
from services.render.pages.edition import Edition
from services.render.theme.template_faults import described
from shared.model.errors import EditionBroken, EditionSuperseded
from shared.model.items import Item, PublicItem, Revision
from shared.store import keys
from shared.store.scripts import Script

log = structlog.get_logger()


class Veto:
    """Sets an item's public revision back to the shown one. No list moves, because lists show what is shown."""

    def __init__(self, redis: Redis, edition: Edition, trial: Trial) -> None:
        self._script = Script(redis, __name__, "cast_veto.lua")
        self._lift = Script(redis, __name__, "lift_veto.lua")
        self._edition = edition.record.number
        self._trial = trial

    async def cast(self, item: Item, bad: Revision, shown: Revision | None, fault: Exception) -> str:
        """
        Take revision `bad` back, which the edition cannot render; return the reason that the item keeps.

        Raises EditionBroken where the edition cannot render known-good items either: then no item is at fault. Raises
        EditionSuperseded where the edition is not the current one any more.
        """
        if not self._trial.renders_one_like(PublicItem(item, bad)):
            log.error("edition.broken", item_id=item.id, revision=bad.number, exc_info=fault)
            raise EditionBroken(f"edition {self._edition} cannot render what it could: {described(fault)}")
        reason = described(fault)
        item_key = keys.item(item.id)
        left, entered = bad.translation_slot, shown.translation_slot if shown is not None else None
        if left == entered:
            left = entered = None
        veto: dict[str, object] = {
            "id": item.id,
            "number": bad.number,
            "expected": item.shown,
            "reason": reason,
            "edition": self._edition,
            "decided": decided_fields(shown) if shown is not None else ["state", "published"],
        }
        if entered is not None:
            veto["enter"] = entered[1]
        if left is not None:
            veto["leave"] = left[1]
        # A script's keys cannot be left out: the item's own stands in for a translation set that is not touched.
        sets = [keys.translation_set(slot[0]) if slot else item_key for slot in (entered, left)]
        cast = await self._script([item_key, keys.UNSHOWN, keys.SITE_RECORD, *sets], veto)
        if cast < 0:
            raise EditionSuperseded("another edition of the site is current, and may render the item")
        log.error(
            "item.unrenderable", item_id=item.id, revision=bad.number, shown=item.shown, cast=cast > 0, exc_info=fault
        )
        return reason

    async def cast_on_shown(self, item: PublicItem, fault: Exception) -> str:
        """Note that this edition cannot render what readers see: the page stays as another edition made it."""
        return await self.cast(item.item, item.revision, item.revision, fault)

    async def lift(self, item: PublicItem) -> None:
        """Note that this edition can render what readers see, though another could not."""
        lifted = {"item_id": item.item.id, "number": str(item.revision.number)}
        await self._lift([keys.item(item.item.id), keys.UNSHOWN], lifted)


def decided_fields(revision: Revision) -> list[str]:
    """Return the fields of an item whose public revision is this one, beside its number."""
    return ["state", "withdrawn" if revision.withdrawal else "published", "path", revision.path or ""]
