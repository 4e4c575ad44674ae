"""Where a redirect ends: through items that moved, and items that were withdrawn to others."""

from shared.model.ids import ItemId
from shared.store.item_store import ItemStore

# A chain is flattened when it is made, so that only what became of its target later makes it longer.
_MOST_STEPS = 10


async def redirect_target(store: ItemStore, to: str, *, leaving: ItemId) -> str | None:
    """Return where `to` leads a reader who leaves the item `leaving`, or None where it leads back to where it was."""
    seen = {leaving}
    for _ in range(_MOST_STEPS):
        if not to.startswith("/"):
            return to
        path = to.partition("?")[0].partition("#")[0]
        owner = (await store.owners([path if path.endswith("/") else path + "/"]))[0]
        if owner is None:
            return to
        if owner in seen:
            return None
        seen.add(owner)
        item = await store.public_revision(owner)
        if item is None:
            return to
        withdrawal = item.revision.withdrawal
        if withdrawal is None or withdrawal.mode != "redirect" or withdrawal.to is None:
            return to if item.path.rstrip("/") == path.rstrip("/") else item.path
        to = withdrawal.to
    return None
