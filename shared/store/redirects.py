"""Where a redirect ends, after items that moved and items that were withdrawn with a redirect."""

from shared.model.ids import ItemId
from shared.store.item_store import ItemStore

# A chain is flattened when its redirect is made. It grows only if its target moves or is withdrawn later.
_MOST_STEPS = 10


async def redirect_target(store: ItemStore, to: str, *, leaving: ItemId) -> str | None:
    """Return where `to` leads a reader of the withdrawn item `leaving`, or None if it leads back to that item."""
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
