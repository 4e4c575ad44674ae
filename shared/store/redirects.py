"""Where a redirect ends, after items that moved and items that were withdrawn with a redirect."""

from collections.abc import Awaitable, Callable

from shared.model.ids import ItemId
from shared.model.items import PublicItem
from shared.store.item_store import ItemStore

# A chain is flattened when its redirect is made. It grows only if its target moves or is withdrawn later.
_MOST_STEPS = 10


Read = Callable[[ItemId], Awaitable[PublicItem | None]]


async def redirect_target(store: ItemStore, to: str, *, leaving: ItemId, read: Read) -> str | None:
    """
    Return where `to` leads a reader who leaves the item `leaving`, or None where it leads back to where it was.

    `read` returns an item with its public revision, or with the shown one where a reader is to be sent there now.
    """
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
        item = await read(owner)
        if item is None:
            return to
        withdrawal = item.revision.withdrawal
        if withdrawal is None or withdrawal.mode != "redirect" or withdrawal.to is None:
            return to if item.path.rstrip("/") == path.rstrip("/") else item.path
        to = withdrawal.to
    return None
