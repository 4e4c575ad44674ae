"""Items whose newest public revision could not be rendered: who they are, and another try with another edition."""

from collections.abc import Sequence

import structlog
from redis.asyncio import Redis

from shared.model.ids import event_id
from shared.model.items import Item
from shared.store.dead_letters import DeadLetters
from shared.store.item_store import ItemStore
from shared.store.vetoed_items import vetoed_items

log = structlog.get_logger()


class SecondTry:
    """Gives vetoed revisions another try: a veto ends with the edition that it names."""

    def __init__(self, redis: Redis, edition: int) -> None:
        self._redis = redis
        self._edition = edition
        self._dead_letters = DeadLetters(redis)

    async def run(self) -> int:
        """Replay the events of revisions that another edition could not render; return how many."""
        waiting = {event_id(item.id, item.unrenderable) for item in await self._vetoed_by_others()}
        letters = [one.id for one in await self._dead_letters.all() if one.event_id in waiting] if waiting else []
        replayed = sum([await self._dead_letters.replay(letter) for letter in letters])
        if waiting:
            log.info("veto.ended", items=len(waiting), replayed=replayed, edition=self._edition)
        return replayed

    async def _vetoed_by_others(self) -> Sequence[Item]:
        vetoed = await vetoed_items(self._redis, ItemStore(self._redis))
        return [one for one in vetoed if one.unrenderable_edition != self._edition and one.unrenderable > one.shown]
