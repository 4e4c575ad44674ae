"""A finding of `clarion doctor`, and the checks of what waits: a new epoch, held items, erasures, dead letters."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from redis.asyncio import Redis

from shared.model.clock import iso, store_now
from shared.model.ids import ItemId
from shared.runtime.settings import Settings
from shared.store import keys
from shared.store.dead_letters import DeadLetters
from shared.store.history import read_epoch
from shared.store.item_store import ItemStore

Verdict = Literal["ok", "warning", "trouble"]

_LETTERS_NAMED = 10
_NAMED_AT_MOST = 5
_EPOCH_IS_NEWS = timedelta(days=7)
_WHY_AN_EPOCH_BEGAN = {
    "asked": "somebody asked for it",
    "restored": "an archive was restored",
    "older": "an older copy of the store was put back, and the site is written anew",
    "other": "the volume has the pages of another store, which stay",
}


@dataclass(frozen=True)
class Finding:
    """The result of one check. `todo` is empty where all is well."""

    what: str
    verdict: Verdict
    found: str
    todo: str = ""


async def history(_: Settings, redis: Redis) -> Finding:
    """Tell the epoch of the store, and what to do where it is news."""
    epoch, now = await read_epoch(redis), await store_now(redis)
    if epoch is None:
        return Finding("history", "ok", "epoch 0")
    found = f"epoch {epoch.number} since {iso(epoch.began_at)}: {_WHY_AN_EPOCH_BEGAN.get(epoch.reason, epoch.reason)}"
    if epoch.reason == "asked" or now - epoch.began_at > _EPOCH_IS_NEWS:
        return Finding("history", "ok", found)
    todo = "send again what was accepted after the copy was made; the receipts of the senders tell which"
    if epoch.reason == "other":
        todo = "put the right store back, or take its pages off the volume with: clarion rebuild"
    return Finding("history", "warning", found, todo)


async def held(_: Settings, redis: Redis) -> Finding:
    """Name the items whose moment has come, in a language or section that the site file does not have."""
    found = [(item, latest) for item, latest in await ItemStore(redis).held() if item.publish_at is not None]
    if not found:
        return Finding("held items", "ok", "none")
    names = ", ".join(
        f"{item.source}/{item.external_id} ({latest.lang}, {latest.section})" for item, latest in found[:_NAMED_AT_MOST]
    )
    more = f" and {len(found) - _NAMED_AT_MOST} more" if len(found) > _NAMED_AT_MOST else ""
    todo = "put the language or section back into the site file, or send the items again with another"
    return Finding("held items", "warning", f"their moment has come: {names}{more}", todo)


async def erasures(_: Settings, redis: Redis) -> Finding:
    """Count the erasures that wait."""
    waiting = int(await redis.hlen(keys.ERASURES))
    if waiting:
        todo = "see that render is at work: an item is erased once its withdrawal is announced"
        return Finding("erasures", "warning", f"{waiting} wait", todo)
    return Finding("erasures", "ok", "none waits")


async def given_up(_: Settings, redis: Redis) -> Finding:
    """Name the items of events that were given up: a page may be up though nobody was told, or not be there."""
    letters = {ItemId(one.item_id): one for one in await DeadLetters(redis).newest(_LETTERS_NAMED) if one.item_id}
    items = [item for item in await ItemStore(redis).get_many(list(letters)) if item is not None]
    if not items:
        return Finding("events given up", "ok", "none of an item")
    named = [
        f"{item.source}/{item.external_id} "
        + ("(its page is up, and nobody was told)" if item.shown == item.public else "(readers do not see it)")
        for item in items
    ]
    return Finding("events given up", "warning", ", ".join(named), "clarion replay tells subscribers, and shows it")
